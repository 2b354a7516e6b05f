"""Context Denoising Training: its settings; every default is the paper's, and its unit is named.

The Objective is in objective.py beside it: torch takes seconds, and the workflow checks settings without it.
"""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings
from megatron_cdt.engine.options import Fp8Pass
from megatron_cdt.objectives.method import SectionSettings

DETECTION_IN_FP8 = Fp8Pass("cdt.detection_precision", 'set cdt.detection_precision to "model"')


class ControlSettings(Settings):
    """What an experiment changes in Eq. 3, to tell denoising from any step on the embeddings. As it stands: nothing."""

    moved: Literal["noise", "critical", "random", "all"] = Field(
        default="noise",
        description="the tokens that move: noise (the paper's), critical (all others), random (as many as noise), all",
    )
    direction: Literal["descent", "ascent", "random"] = Field(
        default="descent",
        description="the way they go: against the gradient (the paper's), with it, or anywhere, as far as the gradient",
    )
    match_norm: bool = Field(
        default=False, description="scale the row's shift to the length that the shift of its noise tokens has"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of what is drawn: random tokens, random directions")


class CdtSettings(SectionSettings):
    """How embeddings are denoised before the training step (Eq. 2 to 4 of the CDT paper)."""

    beta: float = Field(default=5.0, ge=0, description="denoising level: Eq. 3 subtracts gradient x lr x beta")
    lr_source: Literal["nominal", "scheduled"] = Field(
        default="nominal", description="the lr of Eq. 3: the peak learning rate, or this step's scheduled one"
    )
    reduction: Literal["mean", "sum"] = Field(
        default="mean",
        description="the loss whose gradient is taken: mean over the row's labelled tokens (the paper's; shrinks with "
        "the row's length) or their sum",
    )
    embedding_gradient: Literal["through", "detached"] = Field(
        default="through",
        description="through: the embedding matrix learns from the second pass; detached: it does not",
    )
    residual_dtype: Literal["float32", "model"] = Field(
        default="float32", description="dtype of E' and of the residual stream; in bfloat16 a small shift rounds away"
    )
    detection_precision: Literal["model", "fp8"] = Field(
        default="model",
        description="numbers of the detection pass: the model's dtype, or fp8 (a GPU with TransformerEngine; faster, "
        "its mask differs a little)",
    )
    detect_through: Literal["adapted", "base"] = Field(
        default="adapted",
        description="with train.lora: the model that detects, with its LoRA updates or without them (as the authors' "
        "code does)",
    )
    control: ControlSettings = Field(
        default=ControlSettings(), description="for experiments: move other tokens, or elsewhere, by the same rule"
    )

    @property
    def fp32_residual(self) -> bool:
        """So that a small shift survives."""
        return self.residual_dtype == "float32"

    @property
    def fp8_pass(self) -> Fp8Pass | None:
        """Detection, where it is asked for."""
        return DETECTION_IN_FP8 if self.detection_precision == "fp8" else None
