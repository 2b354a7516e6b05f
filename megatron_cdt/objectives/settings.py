"""The training methods and the knobs of each; every default is the source's, and its unit is named."""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings


class SectionSettings(Settings):
    """What a method's section says beside its knobs: what the model needs for it."""

    @property
    def fp32_residual(self) -> bool:
        """Whether embeddings and residual stream stay fp32 under 16-bit weights."""
        return False

    @property
    def uses_fp8(self) -> bool:
        """Whether a pass of the method runs in FP8."""
        return False


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

    @property
    def fp32_residual(self) -> bool:
        """So that a small shift survives."""
        return self.residual_dtype == "float32"

    @property
    def uses_fp8(self) -> bool:
        """Detection, where it is asked for."""
        return self.detection_precision == "fp8"


class LongCeSettings(SectionSettings):
    """LongCE's windows (the official code fixes 4,096 and 1,024; the CDT paper's baseline uses a window of 8,192)."""

    context: int = Field(default=4096, gt=0, description="K: fewest tokens of short context; earlier tokens weigh 1")
    stride: int = Field(default=1024, gt=0, description="d: tokens scored by one window")
    clip: float = Field(default=5.0, gt=0, description="largest weight of a token")


class LogoSettings(SectionSettings):
    """LOGO's constants; the defaults are the released Llama-3 script's."""

    beta: float = Field(default=10.0, gt=0, description="sharpness of the preference, per nat")
    margin: float = Field(default=0.3, ge=0, description="advantage asked for, in nats per token (gamma / beta)")
    sft_weight: float = Field(default=0.1, ge=0, description="weight of the chosen answer's cross-entropy")


class MethodSettings(Settings):
    """Which objective is trained; of the sections only the method's own is read."""

    method: Literal["ce", "sft", "longce", "cdt", "logo"] = Field(
        default="ce",
        description="objective: ce (all tokens), sft (answers), longce (reweighted), cdt (denoised), logo (preference)",
    )
    cdt: CdtSettings = Field(default=CdtSettings(), description="context denoising; read where method is cdt")
    longce: LongCeSettings = Field(default=LongCeSettings(), description="LongCE; read where method is longce")
    logo: LogoSettings = Field(default=LogoSettings(), description="LOGO; read where method is logo")

    @property
    def section(self) -> SectionSettings:
        """The section of the method; that of a method without knobs says nothing."""
        return getattr(self, self.method, SectionSettings())
