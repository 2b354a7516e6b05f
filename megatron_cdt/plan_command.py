"""What a training needs: the layouts of so many GPUs that fit, fastest first, and why the others do not.

in : a Hugging Face folder (its config.json is enough), the length of a row, the method, the GPUs
out: a table on the terminal; with --write a configuration for the workflow
Memory is the dry run's own arithmetic (megatron_cdt/training/memory.py), speed what was measured on a GPU
(megatron_cdt/training/measured_speed.py). A tenth of a GPU is left to what neither counts.
run: python -m megatron_cdt plan --model Meta-Llama-3-8B --length 65536 --method cdt --gpus 8 --gpu H100
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import check_divides
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.training.measured_speed import TERA, tokens_per_second
from megatron_cdt.training.memory import RankMemory, layout_line, rank_memory
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.throughput import PEAK_TFLOPS, peak_of

# Part of a GPU's name: GiB that a process can have, from NVIDIA's data sheets. First match.
GPU_GIB = {"H100 NVL": 94, "H100": 80, "H200": 141, "GH200": 96, "A100": 80, "L40S": 48, "B200": 180}
# What the arithmetic does not count: the framework, buffers of communication, fragmentation.
USABLE = 0.9
# Tensor parallelism talks within every layer: over NVLink inside a node of eight.
MOST_TENSOR = 8
# `selective` saves nothing beside an attention that keeps only its output.
RECOMPUTATIONS = ("none", "full")
GIB = 2**30


@dataclass(frozen=True)
class Candidate:
    """One layout with what it takes: bytes of the fullest process, tokens per second over all GPUs."""

    settings: TrainSettings
    memory: RankMemory
    speed: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="Hugging Face folder; config.json is enough")
    parser.add_argument("--length", required=True, type=int, help="tokens of a row")
    parser.add_argument("--method", default="cdt", choices=list(METHODS), help="training method")
    parser.add_argument("--lora", type=int, metavar="RANK", help="LoRA of this rank; left out: train all weights")
    parser.add_argument("--gpus", required=True, type=int, help="how many GPUs there are")
    parser.add_argument("--gpu", default="H100", help=f"part of its name: {', '.join(GPU_GIB)}")
    parser.add_argument("--memory", type=float, help="GiB of one GPU; left out: as its name says")
    parser.add_argument("--rows", type=int, default=64, help="rows of an optimizer step")
    parser.add_argument("--tokens", type=float, default=1e9, help="tokens of the whole training")
    parser.add_argument("--top", type=int, default=5, help="layouts to show")
    parser.add_argument("--write", metavar="FILE", help="write a configuration for the first layout")
    parser.add_argument("--corpus", default="data/books", help="folder of .txt files, for --write")


def run(arguments: argparse.Namespace) -> None:
    """Print the plan; write the configuration where that is asked for."""
    check(arguments)
    architecture = read_architecture(arguments.model)
    peak, gib = peak_of(arguments.gpu, "bfloat16") * TERA, arguments.memory or gibibytes_of(arguments.gpu)
    found = [candidate(architecture, settings, arguments.length, peak) for settings in layouts(architecture, arguments)]
    fitting = sorted((one for one in found if one.memory.total <= USABLE * gib * GIB), key=rank)
    gpus = f"{arguments.gpus} x {arguments.gpu} ({gib:g} GiB)"
    method = f"{arguments.method} with LoRA of rank {arguments.lora}" if arguments.lora else arguments.method
    print(f"{arguments.model}, {arguments.length:,} tokens a row, {method}, {gpus}")
    if not fitting:
        raise InputError(nothing_fits(found, arguments, gib))
    print("\n".join(table(fitting[: arguments.top], arguments)))
    print("\n".join(refusals(found, gib)))
    if arguments.write:
        atomic_text(arguments.write, configuration(fitting[0].settings, arguments))
        look = f"snakemake -n --profile local --configfile {arguments.write}"
        print(f"wrote {arguments.write}; what it would run: {look}")


def check(arguments: argparse.Namespace) -> None:
    """InputError names an argument that makes no plan."""
    for name in ("length", "gpus", "rows", "tokens", "top", "lora"):
        if getattr(arguments, name) is not None and getattr(arguments, name) <= 0:
            raise InputError(f"--{name} {getattr(arguments, name):g}: must be above 0")
    if peak_of(arguments.gpu, "bfloat16") is None:
        raise InputError(f"--gpu {arguments.gpu}: its peak is not listed; name one of {', '.join(PEAK_TFLOPS)}")
    if arguments.write and Path(arguments.write).suffix not in (".yaml", ".yml"):
        raise InputError(f"--write {arguments.write}: a configuration ends in .yaml")


def gibibytes_of(gpu: str) -> float:
    """The memory of a GPU by its name."""
    return next(gib for part, gib in GPU_GIB.items() if part in gpu)


def layouts(architecture: Architecture, arguments: argparse.Namespace) -> Iterator[TrainSettings]:
    """Every way of sharing the GPUs that the model, the row and the step can be divided by."""
    sizes = [size for size in range(1, arguments.gpus + 1) if arguments.gpus % size == 0]
    for tensor in (size for size in sizes if size <= MOST_TENSOR):
        for pipeline in sizes:
            for context in sizes:
                if arguments.gpus % (tensor * pipeline * context) or not divides(architecture, tensor, pipeline):
                    continue
                layout = {"tensor": tensor, "pipeline": pipeline, "context": context, "processes": arguments.gpus}
                layout["sequence_parallel"] = tensor > 1
                data = arguments.gpus // (tensor * pipeline * context)
                if arguments.rows % data:
                    continue
                for recompute in RECOMPUTATIONS:
                    settings = settings_of(arguments, layout, recompute)
                    if arguments.length % settings.layout.row_alignment == 0:
                        yield settings


def divides(architecture: Architecture, tensor: int, pipeline: int) -> bool:
    """Whether the model can be cut so."""
    try:
        check_divides(architecture, tensor, pipeline)
    except InputError:
        return False
    return True


def settings_of(arguments: argparse.Namespace, layout: dict, recompute: str) -> TrainSettings:
    """The training of one layout, in bf16."""
    steps = max(2, round(arguments.tokens / (arguments.rows * arguments.length)))
    return TrainSettings(
        method=arguments.method,
        steps=steps,
        global_batch_rows=arguments.rows,
        learning_rate=1e-4 if arguments.lora else 1e-5,
        lora={"rank": arguments.lora, "alpha": 2 * arguments.lora} if arguments.lora else None,
        dtype="bfloat16",
        recompute=recompute,
        deterministic=False,
        layout=layout,
    )


def candidate(architecture: Architecture, settings: TrainSettings, length: int, peak: float) -> Candidate:
    """One layout with its memory and speed."""
    memory = rank_memory(architecture, settings, length)
    return Candidate(settings, memory, tokens_per_second(architecture, settings, length, peak))


def rank(one: Candidate) -> tuple:
    """Fastest first; of equal ones that whose parts are fewest, since they talk least."""
    layout = one.settings.layout
    return (-round(one.speed), layout.engine_layout.model_parallel, layout.tensor, layout.pipeline)


def table(fitting: list[Candidate], arguments: argparse.Namespace) -> Iterator[str]:
    """The layouts that fit, a line each."""
    yield "tensor pipeline context data recompute GiB a GPU  tokens/s   hours"
    for one in fitting:
        layout, hours = one.settings.layout, arguments.tokens / one.speed / 3600
        yield (
            f"{layout.tensor:>6} {layout.pipeline:>8} {layout.context:>7} {layout.data_parallel:>4} "
            f"{one.settings.recompute:>9} {one.memory.total / GIB:>9.1f} {one.speed:>9,.0f} {hours:>7,.1f}"
        )
    yield f"hours: of {arguments.tokens:,.0f} tokens. Speed was measured on an 8B model on one H200; a small one is"
    yield "slower, and communication between GPUs is not counted: of two equal layouts that of fewer parts comes first."


def refusals(found: list[Candidate], gib: float) -> Iterator[str]:
    """Of the layouts that do not fit, the largest parts of the one that is nearest, for each recomputation."""
    for recompute in RECOMPUTATIONS:
        over = [one for one in found if one.settings.recompute == recompute and one.memory.total > USABLE * gib * GIB]
        if over:
            nearest = min(over, key=lambda one: one.memory.total)
            yield (
                f"recompute {recompute}: {len(over)} layouts do not fit; the nearest needs "
                f"{nearest.memory.total / GIB:.1f} of {USABLE * gib:.1f} GiB ({parts(nearest.memory)}): "
                f"{layout_line(nearest.settings.layout)}"
            )


def parts(memory: RankMemory) -> str:
    """The three largest parts of a process's memory."""
    sizes = sorted(((size, name) for name, size in vars(memory).items()), reverse=True)[:3]
    return ", ".join(f"{name} {size / GIB:.1f}" for size, name in sizes)


def nothing_fits(found: list[Candidate], arguments: argparse.Namespace, gib: float) -> str:
    """Why no layout fits, and what would help."""
    if not found:
        return (
            f"--gpus {arguments.gpus}: no layout divides this model and {arguments.rows} rows of {arguments.length} "
            "tokens; choose another number of GPUs, or --rows that is a multiple of it"
        )
    least = min(found, key=lambda one: one.memory.total)
    return (
        f"nothing fits: the leanest layout needs {least.memory.total / GIB:.1f} GiB a GPU ({parts(least.memory)}), "
        f"{USABLE * gib:.1f} of {gib:g} are usable; take more GPUs, larger ones, or shorter rows"
    )


def configuration(settings: TrainSettings, arguments: argparse.Namespace) -> str:
    """A configuration of the workflow for this training."""
    layout = settings.layout
    lora = f"\n  lora: {{rank: {settings.lora.rank}, alpha: {settings.lora.alpha:g}}}" if settings.lora else ""
    return f"""# Written by `megatron_cdt plan` for {arguments.gpus} x {arguments.gpu}. Every key: config/README.md.
run: {Path(arguments.model).name.lower()}-{arguments.length}

corpus:
  source: text
  path: {arguments.corpus}   # .txt files; with train/, validation/ and test/ in it, or all in one folder

tokenizer:
  path: {arguments.model}

pack:
  length: {arguments.length}   # tokens of a row
  alignment: {layout.row_alignment}   # what the layout below asks for

model:
  hugging_face: {arguments.model}
  max_position_embeddings: {arguments.length}
  # Beyond the model's own context raise the RoPE base too, e.g. rope_theta: 20000000

train:
  methods: [{settings.method}]
  steps: {settings.steps}   # {arguments.tokens:,.0f} tokens
  global_batch_rows: {settings.global_batch_rows}
  learning_rate: {settings.learning_rate:.1e}
  min_learning_rate: {settings.learning_rate / 10:.1e}
  warmup_steps: {min(5, settings.steps - 1)}
  dtype: bfloat16
  recompute: {settings.recompute}{lora}
  deterministic: false   # equal bits are not promised under TransformerEngine with several GPUs
  layout:
    tensor: {layout.tensor}
    pipeline: {layout.pipeline}
    context: {layout.context}
    sequence_parallel: {str(layout.sequence_parallel).lower()}
    processes: {layout.processes}
"""
