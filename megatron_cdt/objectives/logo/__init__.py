"""LOGO: its settings; every default is the released script's, and its unit is named.

The Objective is in objective.py beside it: torch takes seconds, and the workflow checks settings without it.
"""

from pydantic import Field

from megatron_cdt.objectives.method import SectionSettings


class LogoSettings(SectionSettings):
    """LOGO's constants; the defaults are the released Llama-3 script's."""

    beta: float = Field(default=10.0, gt=0, description="sharpness of the preference, per nat")
    margin: float = Field(default=0.3, ge=0, description="advantage asked for, in nats per token (gamma / beta)")
    sft_weight: float = Field(default=0.1, ge=0, description="weight of the chosen answer's cross-entropy")
