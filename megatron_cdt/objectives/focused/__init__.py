"""Focused Learning (arXiv 2411.05928): its settings. The paper gives none of their values: all defaults are ours.

The Objective is in objective.py beside it: torch takes seconds, and the workflow checks settings without it.
"""

from typing import Literal

from pydantic import Field

from megatron_cdt.objectives.method import SectionSettings


class FocusedSettings(SectionSettings):
    """The contrast between a sample and its masked twin; all defaults are ours."""

    weight: float = Field(default=1.0, ge=0, description="weight of the contrastive term beside both cross-entropies")
    temperature: float = Field(default=0.05, gt=0, description="what similarities are divided by")
    token: Literal["last_prompt", "answer_mean", "last"] = Field(
        default="last_prompt",
        description="whose final hidden state stands for a sample: that of the token before the answer, the mean over "
        "the answer's tokens, or that of the sample's last token",
    )
    normalise: bool = Field(
        default=True, description="true: similarities are cosines; false: dot products of the states as they are"
    )
