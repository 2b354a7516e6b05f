"""How much memory one process of a run will hold, by arithmetic: nothing is allocated, no GPU is needed.

in : an architecture, the settings, the length of a row
out: bytes of the fullest process (of pipeline stages the one with the most), and of one checkpoint
Activations are those of the rows that are between their two passes: one without a pipeline, in its first stage as many
as there are stages. A bf16 model is taken to be on a GPU. Not counted: the framework itself, communication buffers,
fragmentation; leave them a tenth to a fifth of a GPU.
"""

from dataclasses import dataclass, fields

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.lora import LoraSettings, Target
from megatron_cdt.objectives.cross_entropy import LOGITS_PER_CHUNK
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.training.settings import LayoutSettings, TrainSettings

FP32 = 4
BYTES = {"float32": 4, "bfloat16": 2}
# fp32 main weight, first and second moment.
ADAM_ON_DISK = 3 * FP32
# Of the matrices that LoRA can adapt, those that tensor parallelism cuts along their inputs; the others, their outputs.
CUT_BY_INPUTS = ("o_proj", "down_proj")


@dataclass(frozen=True)
class RankMemory:
    """Bytes of one process."""

    weights: int
    gradients: int
    adam: int
    activations: int
    passing: int  # gradients of activations while a layer's backward pass runs
    loss: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(getattr(self, field.name) for field in fields(self))


def rank_memory(architecture: Architecture, settings: TrainSettings, row_tokens: int) -> RankMemory:
    """The fullest process of a run on rows of `row_tokens` tokens: one of the last stage, or one of the first."""
    row, loss = (of(architecture, settings, row_tokens) for of in (activation_bytes, loss_bytes))
    last = stage_memory(architecture, settings, row_tokens, activations=row, loss=loss)
    if settings.layout.pipeline == 1:
        return last
    under_way = row * min(settings.layout.pipeline, settings.global_batch_rows // settings.layout.data_parallel)
    held = under_way + method_bytes(architecture, settings, row_tokens)
    first = stage_memory(architecture, settings, row_tokens, activations=held, loss=0)
    return max(first, last, key=lambda memory: memory.total)


def stage_memory(
    architecture: Architecture, settings: TrainSettings, row_tokens: int, *, activations: int, loss: int
) -> RankMemory:
    """One process that holds so much for its rows; an embedding or a head is counted in either stage."""
    layout, size = settings.layout, BYTES[settings.dtype]
    own = weights_of_rank(architecture, settings)
    trained = trained_of_rank(architecture, settings)
    # In fp32 Adam updates the weights themselves; under 16 bits it has an fp32 copy of its share.
    adam = (2 if settings.dtype == "float32" else 3) * FP32
    return RankMemory(
        weights=own * size,
        gradients=trained * FP32,
        adam=trained * adam // (layout.data_parallel * layout.context),
        activations=activations,
        passing=passing_bytes(architecture, settings, row_tokens),
        loss=loss,
    )


def method_bytes(architecture: Architecture, settings: TrainSettings, row_tokens: int) -> int:
    """What a pipeline's first stage holds for the method, of the rows whose losses are asked for together."""
    method, layout = objective_class(settings.method), settings.layout
    rows = settings.global_batch_rows // layout.data_parallel
    together = min(method.rows_together(layout.pipeline) or rows, rows)
    tokens = row_tokens // layout.context // (layout.tensor if layout.sequence_parallel else 1)
    return together * tokens * architecture.hidden_size * method.held_element_bytes(residual_size(settings))


def weights_of_rank(architecture: Architecture, settings: TrainSettings) -> int:
    """Weights that the fullest process holds, LoRA's A and B among them."""
    layout = settings.layout
    return parameters_of_rank(architecture, layout.tensor, layout.pipeline) + (
        adapter_parameters(architecture, settings.lora, layout.tensor, layout.pipeline) if settings.lora else 0
    )


def trained_of_rank(architecture: Architecture, settings: TrainSettings) -> int:
    """Of those, the ones that are trained."""
    layout = settings.layout
    if settings.lora is None:
        return weights_of_rank(architecture, settings)
    return trained_with_lora(architecture, settings.lora, layout.tensor, layout.pipeline)


def trained_parameters(architecture: Architecture, settings: TrainSettings) -> int:
    """What is trained of the whole model."""
    if settings.lora is None:
        return parameters(architecture)
    return trained_with_lora(architecture, settings.lora, tensor=1, pipeline=1)


def trained_with_lora(architecture: Architecture, lora: LoraSettings, tensor: int, pipeline: int) -> int:
    """What LoRA trains on the fullest process: A and B, and where asked for embedding and norms."""
    a = architecture
    embedding = a.vocab_size // tensor * a.hidden_size * lora.train_embeddings
    norms = (a.hidden_size + norm_parameters(a) * -(-a.num_layers // pipeline)) * lora.train_norms
    return adapter_parameters(a, lora, tensor, pipeline) + embedding + norms


def adapter_parameters(architecture: Architecture, lora: LoraSettings, tensor: int, pipeline: int) -> int:
    """A and B on the fullest process: the one that has W's cut side is cut as W is."""
    layer = 0
    for target in lora.targets:
        outputs, inputs = matrix_shape(architecture, target)
        cut, whole = (inputs, outputs) if target in CUT_BY_INPUTS else (outputs, inputs)
        layer += lora.rank * (cut // tensor + whole)
    return layer * -(-architecture.num_layers // pipeline)


def matrix_shape(architecture: Architecture, target: Target) -> tuple[int, int]:
    """Outputs and inputs of a matrix that LoRA can adapt."""
    a = architecture
    queries, keys = a.num_attention_heads * a.head_dim, a.num_key_value_heads * a.head_dim
    outputs = {"q_proj": queries, "k_proj": keys, "v_proj": keys, "gate_proj": a.ffn_hidden_size}
    outputs["up_proj"] = a.ffn_hidden_size
    inputs = {"o_proj": queries, "down_proj": a.ffn_hidden_size}
    return outputs.get(target, a.hidden_size), inputs.get(target, a.hidden_size)


def parameters(architecture: Architecture) -> int:
    """Weights of the whole model; a tied head is the embedding and counts once."""
    return parameters_of_rank(architecture, tensor=1, pipeline=1)


def parameters_of_rank(architecture: Architecture, tensor: int, pipeline: int) -> int:
    """Weights that the fullest process holds: matrices are cut by tensor parallelism, norms are not."""
    a = architecture
    embedding = a.vocab_size // tensor * a.hidden_size
    layers = layer_parameters(a, tensor) * -(-a.num_layers // pipeline)
    if pipeline > 1:
        # The last stage has the final norm and the head; a tied head is a copy of the first stage's embedding.
        return layers + embedding + a.hidden_size
    return layers + a.hidden_size + (1 if a.tie_word_embeddings else 2) * embedding


def layer_parameters(architecture: Architecture, tensor: int) -> int:
    """Weights of one layer on one of `tensor` processes."""
    a = architecture
    qkv = (a.num_attention_heads + 2 * a.num_key_value_heads) * a.head_dim // tensor
    matrices = (qkv + a.num_attention_heads * a.head_dim // tensor + 3 * a.ffn_hidden_size // tensor) * a.hidden_size
    biases = qkv * a.qkv_bias + a.hidden_size * a.attention_bias
    biases += (2 * a.ffn_hidden_size // tensor + a.hidden_size) * a.mlp_bias
    return matrices + biases + norm_parameters(a)


def norm_parameters(architecture: Architecture) -> int:
    """Weights of a layer's norms."""
    return 2 * architecture.hidden_size + 2 * architecture.head_dim * architecture.qk_norm


def activation_bytes(architecture: Architecture, settings: TrainSettings, row_tokens: int) -> int:
    """What autograd keeps of one row's forward pass on one process."""
    layers = -(-architecture.num_layers // settings.layout.pipeline)
    tokens = row_tokens // settings.layout.context
    layer = layer_activation_bytes(architecture, settings) * tokens
    # Its output is the head's, which makes its gradients at once and keeps nothing.
    final_norm = norm_bytes(architecture.hidden_size, settings, residual_size(settings), output=False) * tokens
    if settings.recompute == "full":
        # Every layer's input, and one layer's activations while its backward pass runs.
        return layers * tokens * architecture.hidden_size * residual_size(settings) + layer + final_norm
    return layers * layer + final_norm


def passing_bytes(architecture: Architecture, settings: TrainSettings, row_tokens: int) -> int:
    """The largest gradients that a layer's backward pass holds at once: the MLP's three, three of the stream."""
    layout = settings.layout
    mlp = 3 * architecture.ffn_hidden_size // layout.tensor * BYTES[settings.dtype]
    return row_tokens // layout.context * (mlp + 3 * architecture.hidden_size * residual_size(settings))


def residual_size(settings: TrainSettings) -> int:
    """Bytes of an element of the residual stream."""
    return FP32 if settings.fp32_residual else BYTES[settings.dtype]


def layer_activation_bytes(architecture: Architecture, settings: TrainSettings) -> int:
    """What one layer keeps of a local token: two norms, q, k, v, attention's output, the MLP's three.

    Keys and values are those of all context ranks: attention gathers them. A frozen linear without a LoRA update keeps
    nothing of its input.
    """
    a, layout, size = architecture, settings.layout, BYTES[settings.dtype]
    hidden = a.hidden_size // (layout.tensor if layout.sequence_parallel else 1)
    heads = a.num_attention_heads // layout.tensor
    queries, keys = heads * a.head_dim, a.num_key_value_heads * a.head_dim // layout.tensor
    # The core attention's own output and one log-sum a head, and once more as the output projection's input.
    outputs = (1 + keeps_input(settings, "o_proj")) * queries * size + heads * FP32
    attention = (queries + 2 * keys * layout.context) * size + outputs
    attention += norm_bytes(queries + keys, settings, size) if a.qk_norm else 0
    before_attention = keeps_input(settings, "q_proj", "k_proj", "v_proj")
    before_mlp = keeps_input(settings, "gate_proj", "up_proj")
    norms = sum(
        norm_bytes(hidden, settings, residual_size(settings), output=kept) for kept in (before_attention, before_mlp)
    )
    mlp = (2 + keeps_input(settings, "down_proj")) * a.ffn_hidden_size // layout.tensor * size
    inner = settings.lora.rank * len(settings.lora.targets) * size if settings.lora else 0
    return norms + attention + mlp + inner


def keeps_input(settings: TrainSettings, *matrices: Target) -> bool:
    """Whether one of a linear's matrices learns, or its update: that takes the linear's input."""
    return settings.lora is None or bool({*matrices} & {*settings.lora.targets})


def norm_bytes(hidden: int, settings: TrainSettings, input_size: int, *, output: bool = True) -> int:
    """What an RMSNorm keeps of a token: its input, its root mean square, in fp32 the normed input too, its output.

    The normed input is there for the norm's weight, where that learns.
    """
    learns = settings.lora is None or settings.lora.train_norms
    # On a CPU a 16-bit norm keeps that as well; nobody plans for one.
    normed = FP32 if settings.dtype == "float32" and learns else 0
    return hidden * (input_size + normed + BYTES[settings.dtype] * output) + FP32


def loss_bytes(architecture: Architecture, settings: TrainSettings, row_tokens: int) -> int:
    """The head's peak: two chunks of fp32 logits, its weight gradient in fp32 (if any), the hidden states' gradient."""
    layout, a = settings.layout, architecture
    tokens, vocabulary = row_tokens // layout.context, a.vocab_size // layout.tensor
    logits = min(max(LOGITS_PER_CHUNK, vocabulary), tokens * vocabulary)
    learns = settings.lora is None or (settings.lora.train_embeddings and a.tie_word_embeddings)
    return (2 * logits + learns * vocabulary * a.hidden_size) * FP32 + tokens * a.hidden_size * BYTES[settings.dtype]


def checkpoint_bytes(architecture: Architecture, settings: TrainSettings) -> int:
    """One checkpoint on disk: the trained weights, and Adam's fp32 weights and moments."""
    return trained_parameters(architecture, settings) * (BYTES[settings.dtype] + ADAM_ON_DISK)


def staged_bytes(architecture: Architecture, settings: TrainSettings) -> int:
    """What the fullest process copies for checkpoint_async to write: what it trains, its share of Adam's state."""
    layout = settings.layout
    own = trained_of_rank(architecture, settings)
    return own * BYTES[settings.dtype] + own * ADAM_ON_DISK // (layout.data_parallel * layout.context)


def export_bytes(architecture: Architecture, settings: TrainSettings) -> int:
    """The exported model on disk, with LoRA's adapter beside the merged weights."""
    adapter = trained_parameters(architecture, settings) if settings.lora else 0
    return (parameters(architecture) + adapter) * BYTES[settings.dtype]


def layout_line(layout: LayoutSettings) -> str:
    """How the processes share the work, for people."""
    sizes = {"tensor": layout.tensor, "pipeline": layout.pipeline, "context": layout.context}
    sizes["data"] = layout.data_parallel
    sequence = ", sequence parallel" if layout.sequence_parallel else ""
    return f"{layout.processes} processes = " + " x ".join(f"{name} {size}" for name, size in sizes.items()) + sequence
