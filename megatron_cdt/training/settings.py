"""What a training run is: method, steps, optimizer, layout. Frozen, checked, every field with its unit.

Invariant: everything that changes a number of the run is a field here, except the start weights, the packs
and the tokenizer, whose digests join it in the run's fingerprint.
"""

import math
from typing import Literal

from pydantic import Field, model_validator

from contracts.settings import Settings
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.options import Layout, Recompute
from megatron_cdt.objectives.registry import MethodSettings

# Marks fields that say when and where files are written, and change no number: a run may go on under other values.
BOOKKEEPING = {"bookkeeping": True}


class LayoutSettings(Settings):
    """How the processes of a run share the model and the rows."""

    tensor: int = Field(default=1, ge=1, description="tensor parallel size, in processes")
    pipeline: int = Field(
        default=1, ge=1, description="pipeline parallel size, in processes (stages) that share the layers"
    )
    context: int = Field(default=1, ge=1, description="context parallel size, in processes that share one row")
    processes: int = Field(default=1, ge=1, description="processes of the whole run; data parallel is what remains")
    sequence_parallel: bool = Field(
        default=False, description="tensor parallel ranks also share what they would all compute (norms, residuals)"
    )

    @property
    def engine_layout(self) -> Layout:
        """The model-parallel sizes, as the engine wants them."""
        return Layout(tensor=self.tensor, pipeline=self.pipeline, context=self.context)

    @property
    def data_parallel(self) -> int:
        """Replicas of the model, which train on different rows of a step."""
        return self.processes // self.engine_layout.model_parallel

    @property
    def row_alignment(self) -> int:
        """Tokens that every segment must be a multiple of: two chunks for each context rank, each cut by tensor."""
        chunks = 2 * self.context if self.context > 1 else 1
        return math.lcm(chunks, self.context * self.tensor) if self.sequence_parallel else chunks

    @model_validator(mode="after")
    def is_possible(self):
        together = self.engine_layout.model_parallel
        if self.processes % together:
            raise ValueError(
                f"{self.processes} processes do not fit tensor {self.tensor} x pipeline {self.pipeline} x context "
                f"{self.context}; set processes to a multiple of {together}"
            )
        return self


class TrainSettings(MethodSettings):
    """One training run, from a start checkpoint to an exported model."""

    steps: int = Field(gt=0, lt=2**31, description="optimizer steps of the whole run")
    global_batch_rows: int = Field(gt=0, lt=2**31, description="rows of one optimizer step, over all processes")
    learning_rate: float = Field(gt=0, description="peak learning rate")
    min_learning_rate: float = Field(default=0.0, ge=0, description="learning rate of the last step (cosine)")
    warmup_steps: int = Field(default=0, ge=0, description="steps of linear warm-up to the peak")
    adam_betas: tuple[float, float] = Field(default=(0.9, 0.95), description="Adam's decay rates, ratios below 1")
    adam_eps: float = Field(default=1e-8, gt=0, description="added to Adam's root mean square of the gradient")
    weight_decay: float = Field(default=0.1, ge=0, description="decoupled decay of matrices, per unit learning rate")
    clip_grad: float = Field(default=1.0, ge=0, description="largest global gradient norm; 0 clips nothing")
    seed: int = Field(
        default=1234,
        ge=0,
        lt=2**63,
        description="decides the order of the rows, and with lora the first values of its A",
    )
    dtype: Literal["float32", "bfloat16"] = Field(default="float32", description="dtype of weights and activations")
    recompute: Recompute = Field(
        default="none", description="layers computed again in the backward pass to save memory: none, selective, full"
    )
    cpu_threads: int = Field(default=1, ge=1, description="threads per process without a GPU; sums depend on it")
    deterministic: bool = Field(
        default=True, description="the same bytes again on the same machine and layout; refuses what cannot promise it"
    )
    lora: LoraSettings | None = Field(
        default=None, description="train low-rank updates of some matrices (LoRA) in place of all weights; null: all"
    )
    layout: LayoutSettings = Field(default=LayoutSettings(), description="how processes share the model and the rows")
    checkpoint_interval: int = Field(
        default=100, gt=0, description="steps between checkpoints; the last step has one", json_schema_extra=BOOKKEEPING
    )
    checkpoint_async: bool = Field(
        default=False,
        description="write checkpoints while training goes on, from a copy of the state in each process's host memory",
        json_schema_extra=BOOKKEEPING,
    )
    keep_checkpoints: int = Field(
        default=2, gt=0, description="newest checkpoints that stay on disk", json_schema_extra=BOOKKEEPING
    )
    sinks: tuple[Literal["tensorboard", "wandb"], ...] = Field(
        default=(),
        description="where numbers go besides the run folder: tensorboard, wandb (offline by default)",
        json_schema_extra=BOOKKEEPING,
    )
    validation_interval: int | None = Field(
        default=None, gt=0, description="steps between validations; null: at the end only"
    )

    @property
    def fp32_residual(self) -> bool:
        """Whether embeddings and residual stream stay fp32 under 16-bit weights."""
        return self.section.fp32_residual and self.dtype != "float32"

    @property
    def identity(self) -> dict:
        """The fields that decide the numbers of the run, as JSON values."""
        of_other_methods = set(MethodSettings.model_fields) - {"method", self.method}
        fields = type(self).model_fields.items()
        bookkeeping = {name for name, field in fields if field.json_schema_extra == BOOKKEEPING}
        return self.model_dump(mode="json", exclude={*bookkeeping, *of_other_methods})

    @model_validator(mode="after")
    def fits_together(self):
        if self.global_batch_rows % self.layout.data_parallel:
            raise ValueError(
                f"global_batch_rows {self.global_batch_rows} is not a multiple of data parallel "
                f"{self.layout.data_parallel} (processes / tensor / pipeline / context); choose a multiple of it"
            )
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be smaller than steps {self.steps}")
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate {self.min_learning_rate} is above learning_rate {self.learning_rate}; "
                f"lower it, or set both to the same value for a constant rate"
            )
        if self.method == "cdt" and self.cdt.detect_through == "base" and self.lora is None:
            raise ValueError(
                "cdt.detect_through base means the model without its LoRA updates, and lora is null; set it"
            )
        if not all(0 <= beta < 1 for beta in self.adam_betas):
            raise ValueError(f"adam_betas {self.adam_betas} must lie in [0, 1)")
        return self
