"""What a configuration would cost on GPUs, from a stated model of the cost; nothing is run.

in : a configuration, or a study of several runs; models need their config.json, no weights
out: GPU hours of every run's trainings and evaluations, hours on the clock, and what they were computed from
Run: python -m workflow.cost --configfile config/paper/lm.yaml [--gpu H100] [--gpus 64] [--training S] [--reading S]

The model. Operations are those of megatron_cdt.objectives (a multiply-add is 2, the causal half of attention), with
each row taken as one document whose every token is labelled, which is the most that it can be.
  training    steps x rows x a step's operations / (the GPU's peak x the share of it that is reached)
  the share   in bf16 what was measured on an H200 at this length of rows (docs/benchmarks/train-gpu.json; between its
              points by the logarithm of the length), else 0.40; --training names another
  a prompt    a forward pass over its tokens / (the GPU's peak x --reading), in eval.generation.dtype
  an answer   128 tokens, each of which reads all weights once from the GPU's memory
  detection   a forward pass, and a backward pass to the embeddings, as in training, in fp32
  a cell      60 s besides, to start and to load the model; 200 samples where its benchmark takes all there are
  the clock   the longest training on the processes of its layout, and its longest cell after it, with as many GPUs as
              there are jobs; with --gpus no less than all hours shared equally
Left out: data preparation, which needs no GPU; waiting in queues; what is lost when a job is killed; communication.
"""

import argparse
import json
import sys
from dataclasses import dataclass

from contracts.errors import InputError
from contracts.settings import load_settings
from eval.cells import cells_of, ways_of
from eval.registry import known_task
from megatron_cdt.architecture import Architecture
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.objectives.work import forward_work
from megatron_cdt.training.measured_speed import TERA, labelled_row, measured_share
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.throughput import peak_of, row_flops
from workflow.configuration import Configuration
from workflow.study import runs_in

ANSWER_TOKENS = 128
# Part of the device's name: TB/s of its memory, from NVIDIA's data sheets. First match.
MEMORY_TERABYTES = {
    **{"H100 PCIe": 2.0, "H100 NVL": 3.9, "H100": 3.35, "H200": 4.8, "GH200": 4.0, "A100": 2.0, "L40S": 0.864},
    "B200": 8.0,
}
# Of the peak, where nothing was measured.
ASSUMED_SHARE = 0.40
START_SECONDS = 60.0
SAMPLES_OF_ALL = 200


@dataclass(frozen=True)
class Machine:
    """A GPU, and the shares of its peak that are reached; `training` None: as measured."""

    gpu: str
    training: float | None = None
    reading: float = ASSUMED_SHARE

    def flops_per_second(self, dtype: str) -> float:
        """Its dense peak for a type of number."""
        peak = peak_of(self.gpu, dtype)
        if peak is None:
            raise InputError(f"--gpu {self.gpu}: its {dtype} peak is not listed; name H100, H200 or A100")
        return peak * TERA

    def training_flops_per_second(self, dtype: str, tokens: int) -> float:
        """What training reaches on rows of so many tokens."""
        share = self.training or (measured_share(tokens) if dtype == "bfloat16" else ASSUMED_SHARE)
        return self.flops_per_second(dtype) * share

    @property
    def memory_bytes_per_second(self) -> float:
        """How fast its memory is read."""
        return next(speed for part, speed in MEMORY_TERABYTES.items() if part in self.gpu) * TERA


@dataclass(frozen=True)
class Cost:
    """GPU hours of one run."""

    training: dict[str, float]  # by its name
    evaluation: dict[str, float]  # by benchmark, over all models
    cells: int
    clock: float  # hours, with as many GPUs as there are jobs

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.training.values()) + sum(self.evaluation.values())


def cost_of(run: Configuration, machine: Machine) -> Cost:
    """GPU hours of a run's trainings and evaluations."""
    shape = architecture_of(run)
    evaluation: dict[str, float] = {}
    models = len(run.train.names) + len(run.eval.models)
    settings = run.eval.model_dump(mode="json")
    cells, longest = 0, 0.0
    for benchmark, task, length in cells_of(settings):
        ways = len(ways_of(settings, benchmark, task))
        samples = settings["benchmarks"][benchmark].get("samples") or SAMPLES_OF_ALL
        answer, dtype = known_task(benchmark, task).answer, settings["generation"]["dtype"]
        hours = (START_SECONDS + samples * sample_seconds(shape, answer, length, machine, dtype)) / 3600
        evaluation[benchmark] = evaluation.get(benchmark, 0.0) + models * ways * hours
        cells += models * ways
        longest = max(longest, hours)
    training = {name: training_hours(run, shape, run.train.settings_of(name), machine) for name in run.train.names}
    clock = max(training.values()) / run.train.layout.processes + longest
    return Cost(training, evaluation, cells, clock)


def architecture_of(run: Configuration) -> Architecture:
    """The shape of a run's models."""
    if run.model.hugging_face:
        return read_architecture(run.model.hugging_face)
    return run.model.architecture.with_vocabulary(run.tokenizer.vocab_size)


def training_hours(run: Configuration, shape: Architecture, training: TrainSettings, machine: Machine) -> float:
    """GPU hours of one training; every token of its rows is counted as labelled."""
    rows = training.steps * training.global_batch_rows
    flops = row_flops(shape, labelled_row(run.pack.length), training)
    return rows * flops / machine.training_flops_per_second(training.dtype, run.pack.length) / 3600


def sample_seconds(shape: Architecture, answer: str, length: int, machine: Machine, dtype: str) -> float:
    """GPU seconds of one sample that is answered in `dtype`."""
    work = forward_work(shape, [length], length if answer == "losses" else 1)
    if answer == "detection":
        return work.detection / machine.training_flops_per_second("float32", length)
    reading = work.forward / (machine.flops_per_second(dtype) * machine.reading)
    weights = parameters(shape) * {"float32": 4, "bfloat16": 2}[dtype]
    return reading + (ANSWER_TOKENS * weights / machine.memory_bytes_per_second if answer == "text" else 0.0)


def parameters(shape: Architecture) -> float:
    """Weights of the matrices, embeddings included: half the operations of a token, and the embedding."""
    work = forward_work(shape, [1], 1)
    return (work.linear + work.head) / 2 + shape.vocab_size * shape.hidden_size


def table(costs: dict[str, Cost], machine: Machine, gpus: int | None = None) -> str:
    """The answer as text: a line for each run, the sum, and the assumptions."""
    titles = ("training", "evaluation", "GPU hours", "clock")
    lines = [f"{'run':40s} {'cells':>7s} " + " ".join(f"{title:>10s}" for title in titles)]
    for run, cost in costs.items():
        hours = (sum(cost.training.values()), sum(cost.evaluation.values()), cost.total, cost.clock)
        lines.append(f"{run:40s} {cost.cells:7d} " + " ".join(f"{value:10.1f}" for value in hours))
    total, cells = sum(cost.total for cost in costs.values()), sum(cost.cells for cost in costs.values())
    clock = max(max(cost.clock for cost in costs.values()), total / gpus if gpus else 0.0)
    lines.append(f"{'all':40s} {cells:7d} {'':10s} {'':10s} {total:10.1f} {clock:10.1f}")
    trained = f"{machine.training:.0%}" if machine.training else "the measured share"
    lines.append(
        f"on {gpus or 'as many as wanted of'} {machine.gpu}, reaching {trained} of its peak in training and "
        f"{machine.reading:.0%} in reading prompts; the model of the cost is at the head of workflow/cost.py"
    )
    if not machine.training and "H200" not in machine.gpu:
        lines.append(f"The shares were measured on an H200; nothing was measured on {machine.gpu}.")
    return "\n".join(lines)


def configurations(path: str) -> dict[str, Configuration]:
    """The runs of a configuration file: one, or those of a study."""
    return {run: load_settings(Configuration, json.dumps(values)) for run, values in runs_in(path).items()}


def main(arguments: list[str]) -> int:
    """Print the table; exit code 0, or 2 and one line."""
    parser = argparse.ArgumentParser(prog="python -m workflow.cost", description=__doc__.splitlines()[0])
    parser.add_argument("--configfile", default="config/demo.yaml", help="a configuration or a study")
    parser.add_argument("--gpu", default="H100", help="part of the GPU's name: H100, H200, A100 ...")
    parser.add_argument("--gpus", type=int, help="how many there are; left out: as many as there are jobs")
    parser.add_argument("--training", type=float, help="share of the peak that training reaches; left out: as measured")
    parser.add_argument(
        "--reading", type=float, default=ASSUMED_SHARE, help="share of the peak that reading prompts reaches"
    )
    given = parser.parse_args(arguments)
    machine = Machine(given.gpu, given.training, given.reading)
    try:
        costs = {run: cost_of(one, machine) for run, one in configurations(given.configfile).items()}
        print(table(costs, machine, given.gpus))
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
