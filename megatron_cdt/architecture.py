"""The shape of a Llama-family model: the one description that config.json, Megatron-core and the settings share.

Invariant: nothing here depends on a parallel layout, a device or a library version.
"""

from typing import Literal

from pydantic import Field, model_validator

from contracts.settings import Settings


class RopeScaling(Settings):
    """How rotary frequencies are stretched for longer contexts; the names are Hugging Face's."""

    rope_type: Literal["linear", "llama3"] = Field(description="linear: all frequencies / factor; llama3: Llama-3.1's")
    factor: float = Field(gt=0, description="stretch of the context, a ratio")
    low_freq_factor: float = Field(default=1.0, gt=0, description="llama3: original length / longest kept wavelength")
    high_freq_factor: float = Field(default=4.0, gt=0, description="llama3: original length / shortest stretched wave")
    original_max_position_embeddings: int = Field(default=8192, gt=0, description="llama3: trained length, in tokens")


class Architecture(Settings):
    """A decoder with RMSNorm, rotary positions, grouped-query attention and a SwiGLU MLP."""

    vocab_size: int = Field(gt=0, description="rows of the embedding, in tokens")
    hidden_size: int = Field(gt=0, description="width of the residual stream, in features")
    num_layers: int = Field(gt=0, description="transformer layers")
    num_attention_heads: int = Field(gt=0, description="query heads")
    num_key_value_heads: int = Field(gt=0, description="key/value heads; fewer than query heads is GQA")
    head_dim: int = Field(gt=0, description="width of one head, in features")
    ffn_hidden_size: int = Field(gt=0, description="width of the MLP, in features")
    max_position_embeddings: int = Field(gt=0, description="longest context the model is meant for, in tokens")
    rms_norm_eps: float = Field(default=1e-5, gt=0, description="added to the mean square in RMSNorm")
    rope_theta: float = Field(default=10000.0, gt=0, description="base of the rotary frequencies")
    rope_scaling: RopeScaling | None = Field(default=None, description="stretch of the rotary frequencies, or null")
    tie_word_embeddings: bool = Field(default=False, description="the output head is the embedding matrix")
    initializer_range: float = Field(default=0.02, gt=0, description="standard deviation of fresh weights")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(default="float32", description="dtype of stored weights")

    @model_validator(mode="after")
    def heads_divide(self):
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        return self
