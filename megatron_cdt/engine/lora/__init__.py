"""LoRA: its settings, by PEFT's names.

The adapters are in adapters.py beside it: torch takes seconds, and the workflow checks settings without it.
"""

from typing import Literal, get_args

from pydantic import Field, field_validator

from contracts.settings import Settings

Target = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
TARGETS: tuple[Target, ...] = get_args(Target)


class LoraSettings(Settings):
    """Train low-rank updates of some matrices, W + alpha / rank x B A, in place of the matrices; no dropout."""

    rank: int = Field(default=8, gt=0, description="columns of B and rows of A")
    alpha: float = Field(default=16.0, gt=0, description="the update B A is multiplied by alpha / rank")
    targets: tuple[Target, ...] = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj"),
        min_length=1,
        description="the matrices of every layer that get an update, by Hugging Face's names",
    )
    train_embeddings: bool = Field(
        default=False, description="train the embedding matrix too, whole (and with it a head that is tied to it)"
    )
    train_norms: bool = Field(default=False, description="train the weights of all norms too")

    @field_validator("targets")
    @classmethod
    def in_the_order_of_a_layer(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """The same targets in another order are the same settings."""
        if len(set(targets)) < len(targets):
            raise ValueError(f"targets {', '.join(targets)}: one of them is named twice")
        return tuple(target for target in TARGETS if target in targets)

    @property
    def scale(self) -> float:
        """What multiplies B A."""
        return self.alpha / self.rank
