"""The shape of a Llama-like model: the one description that config.json, Megatron-core and the settings share.

Invariant: nothing here depends on a parallel layout, a device or a library version.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from contracts.errors import InputError
from contracts.settings import Settings

# They differ in the attention alone: qwen2 adds biases to queries, keys and values, qwen3 norms queries and keys.
Family = Literal["llama", "mistral", "qwen2", "qwen3"]
# The keys that each kind of stretch reads besides the factor.
READ_BY_ROPE_TYPE = {
    "linear": (),
    "llama3": ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "yarn": ("beta_fast", "beta_slow", "attention_factor", "original_max_position_embeddings", "truncate"),
}
# The families whose config.json may ask for a bias in every projection of the attention, or of the MLP.
MAY_HAVE = {"attention_bias": ("llama", "qwen3"), "mlp_bias": ("llama",)}


class RopeScaling(Settings):
    """How rotary frequencies are stretched for longer contexts; the names are Hugging Face's."""

    rope_type: Literal["linear", "llama3", "yarn"] = Field(
        description="linear: all frequencies / factor; llama3: Llama-3.1's; yarn: YaRN's, with its attention factor"
    )
    factor: float = Field(gt=0, description="stretch of the context, a ratio")
    low_freq_factor: float = Field(default=1.0, gt=0, description="llama3: original length / longest kept wavelength")
    high_freq_factor: float = Field(default=4.0, gt=0, description="llama3: original length / shortest stretched wave")
    original_max_position_embeddings: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="llama3 and yarn, required there: length before the stretch, in tokens"
    )
    beta_fast: float = Field(default=32.0, gt=0, description="yarn: turns over the original length that are kept")
    beta_slow: float = Field(default=1.0, gt=0, description="yarn: turns over the original length that are stretched")
    attention_factor: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="yarn: m, which multiplies queries and keys; null: 0.1 ln(factor) + 1"
    )
    truncate: bool = Field(
        default=True, description="yarn: the ramp between kept and stretched begins and ends at whole pairs of features"
    )

    @model_validator(mode="after")
    def has_what_its_type_reads(self):
        read = READ_BY_ROPE_TYPE[self.rope_type]
        for name, field in type(self).model_fields.items():
            if name not in ("rope_type", "factor", *read) and getattr(self, name) != field.default:
                raise ValueError(f"rope_type {self.rope_type} does not read {name}; remove it or change the type")
        if "original_max_position_embeddings" in read and self.original_max_position_embeddings is None:
            raise ValueError(
                f"rope_type {self.rope_type} needs original_max_position_embeddings: the length that the weights "
                f"were trained with before the stretch"
            )
        if self.rope_type == "yarn" and self.beta_fast <= self.beta_slow:
            raise ValueError(f"beta_fast {self.beta_fast} must be above beta_slow {self.beta_slow}")
        return self


class Architecture(Settings):
    """A decoder with RMSNorm, rotary positions, grouped-query attention and a SwiGLU MLP."""

    family: Family = Field(
        default="llama",
        description="Hugging Face's model_type: llama and mistral are one maths; qwen2 adds biases to queries, keys "
        "and values; qwen3 norms each head's queries and keys",
    )
    vocab_size: int = Field(gt=0, description="rows of the embedding, in tokens")
    hidden_size: int = Field(gt=0, description="width of the residual stream, in features")
    num_layers: int = Field(gt=0, description="transformer layers")
    num_attention_heads: int = Field(gt=0, description="query heads")
    num_key_value_heads: int = Field(gt=0, description="key/value heads; fewer than query heads is GQA")
    head_dim: int = Field(gt=0, description="width of one head, in features")
    ffn_hidden_size: int = Field(gt=0, description="width of the MLP, in features")
    max_position_embeddings: int = Field(gt=0, description="longest context the model is meant for, in tokens")
    sliding_window: Annotated[int, Field(gt=0)] | None = Field(
        default=None,
        description="mistral: how far back attention reaches, in tokens; longer rows are refused",
    )
    rms_norm_eps: float = Field(default=1e-5, gt=0, description="added to the mean square in RMSNorm")
    rope_theta: float = Field(default=10000.0, gt=0, description="base of the rotary frequencies")
    rope_scaling: RopeScaling | None = Field(default=None, description="stretch of the rotary frequencies, or null")
    attention_bias: bool = Field(
        default=False, description="llama, qwen3: biases in the projections to queries, keys, values and output"
    )
    mlp_bias: bool = Field(default=False, description="llama: biases in the three projections of the MLP")
    tie_word_embeddings: bool = Field(default=False, description="the output head is the embedding matrix")
    initializer_range: float = Field(default=0.02, gt=0, description="standard deviation of fresh weights")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(default="float32", description="dtype of stored weights")

    @property
    def qkv_bias(self) -> bool:
        """Whether queries, keys and values have biases."""
        return self.family == "qwen2" or self.attention_bias

    @property
    def qk_norm(self) -> bool:
        """Whether each head's queries and keys pass an RMSNorm before their rotation."""
        return self.family == "qwen3"

    @model_validator(mode="after")
    def heads_divide_and_turn(self):
        if self.family == "llama" and self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of num_attention_heads "
                f"{self.num_attention_heads}: Hugging Face's Llama refuses others"
            )
        if self.sliding_window and self.family != "mistral":
            raise ValueError(f"sliding_window is mistral's, and family is {self.family}; leave it out")
        for name, families in MAY_HAVE.items():
            if getattr(self, name) and self.family not in families:
                raise ValueError(f"{name} is for {' and '.join(families)}, and family is {self.family}; leave it out")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} must be even: rotary positions turn pairs of features")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        return self


class ArchitectureSettings(Architecture):
    """An Architecture as people write it: what follows from the rest may be left out."""

    vocab_size: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="rows of the embedding, in tokens; null: the tokenizer's"
    )
    num_key_value_heads: int = Field(default=0, ge=0, description="key/value heads; 0 or left out: the query heads")
    head_dim: int = Field(default=0, ge=0, description="width of one head, in features; 0 or left out: hidden / heads")

    @model_validator(mode="before")
    @classmethod
    def fill_what_follows(cls, values):
        if not isinstance(values, dict):
            return values
        values = dict(values)
        hidden, heads = values.get("hidden_size"), values.get("num_attention_heads")
        if isinstance(hidden, int) and isinstance(heads, int) and heads > 0:
            values["num_key_value_heads"] = values.get("num_key_value_heads") or heads
            values["head_dim"] = values.get("head_dim") or hidden // heads
        return values

    def with_vocabulary(self, tokenizer_size: int | None) -> Architecture:
        """The architecture for a tokenizer of that many ids (None: no tokenizer is at hand).

        Raises InputError where no size is known, or where the embedding has fewer rows than the tokenizer has ids.
        """
        rows = self.vocab_size or tokenizer_size
        if rows is None:
            raise InputError("model.architecture.vocab_size is null; set it, or name a tokenizer to take it from")
        architecture = Architecture.model_validate({**self.model_dump(), "vocab_size": rows})
        check_vocabulary(architecture, tokenizer_size)
        return architecture


def check_vocabulary(architecture: Architecture, tokenizer_size: int | None) -> None:
    """Every id of the tokenizer has a row in the embedding, or one line says so."""
    if tokenizer_size is not None and tokenizer_size > architecture.vocab_size:
        raise InputError(
            f"the tokenizer has {tokenizer_size} ids and the model {architecture.vocab_size} rows; "
            f"use the model's own tokenizer, or a larger vocab_size"
        )


# What may be changed when weights come from a Hugging Face folder: none of it changes a tensor's shape.
CONTEXT_FIELDS = ("rope_theta", "rope_scaling", "max_position_embeddings")


class ModelSettings(Settings):
    """Where the start weights come from: a Hugging Face folder (its context extended or not), or fresh ones."""

    hugging_face: str | None = Field(default=None, description="folder with config.json and safetensors")
    adapter: str | None = Field(
        default=None, description="with hugging_face: folder of a LoRA adapter (PEFT's) that trainings go on with"
    )
    rope_theta: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="with hugging_face: another base of the rotary frequencies; null: the folder's"
    )
    rope_scaling: RopeScaling | None = Field(
        default=None, description="with hugging_face: another stretch, in place of the folder's; null: the folder's"
    )
    max_position_embeddings: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="with hugging_face: another longest context, in tokens; null: the folder's, or yarn's"
    )
    architecture: ArchitectureSettings | None = Field(default=None, description="shape of a model from scratch")
    seed: int = Field(default=1234, ge=0, description="from scratch: seed of the fresh weights")

    @model_validator(mode="after")
    def one_source(self):
        if self.hugging_face and self.architecture:
            raise ValueError("hugging_face and architecture are both given; keep one of them")
        if not self.hugging_face and not self.architecture:
            raise ValueError("give hugging_face (a folder with config.json) or architecture (from scratch)")
        if self.adapter and not self.hugging_face:
            raise ValueError("adapter needs the model that it is for; give hugging_face")
        given = [name for name in CONTEXT_FIELDS if getattr(self, name) is not None]
        if self.architecture and given:
            raise ValueError(f"{given[0]} changes a Hugging Face folder's; from scratch, set architecture.{given[0]}")
        return self

    def extend(self, architecture: Architecture) -> Architecture:
        """The folder's architecture with this section's rope_theta, rope_scaling and max_position_embeddings.

        Raises InputError where a new stretch and the longest context contradict each other, or where the context
        would become shorter than the folder's.
        """
        changes = {name: getattr(self, name) for name in CONTEXT_FIELDS if getattr(self, name) is not None}
        if self.rope_scaling and self.rope_scaling.rope_type == "yarn":
            changes["max_position_embeddings"] = yarn_length(self.rope_scaling, self.max_position_embeddings)
        length = changes.get("max_position_embeddings", architecture.max_position_embeddings)
        if length < architecture.max_position_embeddings:
            raise InputError(
                f"model.max_position_embeddings would become {length}, below the folder's "
                f"{architecture.max_position_embeddings}; shorter rows need no such change: set pack.length alone"
            )
        return architecture.model_copy(update=changes)


def yarn_length(scaling: RopeScaling, given: int | None) -> int:
    """factor x original length, in tokens: some versions of transformers take the factor from that ratio."""
    length = round(scaling.factor * scaling.original_max_position_embeddings)
    if given not in (None, length):
        raise InputError(
            f"model.max_position_embeddings {given} is not rope_scaling.factor {scaling.factor:g} x "
            f"original_max_position_embeddings {scaling.original_max_position_embeddings}; leave it out, or set the "
            f"factor to {given / scaling.original_max_position_embeddings:g}"
        )
    return length
