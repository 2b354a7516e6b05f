"""What a configuration would cost on GPUs, from a stated model of the cost; nothing is run.

in : a configuration, or a study of several runs; models need their config.json, no weights
out: GPU hours of every run's trainings and evaluations, and what they were computed from
Run: python -m workflow.cost --configfile config/paper/lm.yaml [--gpu H100] [--training 0.40] [--reading 0.40]

The model. Operations are those of megatron_cdt.objectives (a multiply-add is 2, the causal half of attention), with
each row taken as one document whose every token is labelled, which is the most that it can be.
  training    steps x rows x a step's operations / (the GPU's bf16 or fp32 peak x --training)
  a prompt    a forward pass over its tokens, in fp32 / (the GPU's fp32 peak x --reading)
  an answer   128 tokens, each of which reads all weights once from memory (fp32, 3 TB/s)
  detection   a forward pass, and a backward pass to the embeddings, as in training
  a cell      60 s besides, to start and to load the model; 200 samples where its benchmark takes all there are
Left out: data preparation, which needs no GPU; waiting in queues; what is lost when a job is killed.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from contracts.errors import InputError
from contracts.settings import load_settings
from eval.cells import cells_of, ways_of
from eval.registry import known_task
from megatron_cdt.architecture import Architecture
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.objectives.row import WholeRow
from megatron_cdt.objectives.work import forward_work
from megatron_cdt.training.throughput import peak_of
from workflow.configuration import Configuration
from workflow.study import is_study, runs_of_study

ANSWER_TOKENS = 128
MEMORY_BYTES_PER_SECOND = 3e12
START_SECONDS = 60.0
SAMPLES_OF_ALL = 200
TERA = 1e12


@dataclass(frozen=True)
class Machine:
    """A GPU, and the shares of its peak that are assumed to be reached."""

    gpu: str
    training: float
    reading: float

    def flops_per_second(self, dtype: str) -> float:
        """Its dense peak for a type of number."""
        peak = peak_of(self.gpu, dtype)
        if peak is None:
            raise InputError(f"--gpu {self.gpu}: its {dtype} peak is not listed; name H100, H200 or A100")
        return peak * TERA


@dataclass(frozen=True)
class Cost:
    """GPU hours of one run."""

    training: dict[str, float]  # by method
    evaluation: dict[str, float]  # by benchmark, over all models
    cells: int

    @property
    def total(self) -> float:
        """All of them."""
        return sum(self.training.values()) + sum(self.evaluation.values())


def cost_of(run: Configuration, machine: Machine) -> Cost:
    """GPU hours of a run's trainings and evaluations."""
    shape = architecture_of(run)
    evaluation: dict[str, float] = {}
    models = len(run.train.methods) + len(run.eval.models)
    settings = run.eval.model_dump(mode="json")
    cells = 0
    for benchmark, task, length in cells_of(settings):
        ways = len(ways_of(settings, benchmark, task))
        samples = settings["benchmarks"][benchmark].get("samples") or SAMPLES_OF_ALL
        seconds = START_SECONDS + samples * sample_seconds(shape, known_task(benchmark, task).answer, length, machine)
        evaluation[benchmark] = evaluation.get(benchmark, 0.0) + models * ways * seconds / 3600
        cells += models * ways
    return Cost(
        {method: training_hours(run, shape, method, machine) for method in run.train.methods}, evaluation, cells
    )


def architecture_of(run: Configuration) -> Architecture:
    """The shape of a run's models."""
    if run.model.hugging_face:
        return read_architecture(run.model.hugging_face)
    return run.model.architecture.with_vocabulary(run.tokenizer.vocab_size)


def training_hours(run: Configuration, shape: Architecture, method: str, machine: Machine) -> float:
    """GPU hours of one training; every token of its rows is counted as labelled."""
    rows = run.train.steps * run.train.global_batch_rows
    flops = rows * METHODS[method].row_flops(shape, labelled_row(run.pack.length), run.train)
    return flops / (machine.flops_per_second(run.train.dtype) * machine.training) / 3600


def labelled_row(length: int) -> WholeRow:
    """A row that is one text of so many tokens, each of them to be predicted."""
    ones = np.ones(length, dtype=np.int64)
    return WholeRow(ones, ones, ones.astype(bool), [length])


def sample_seconds(shape: Architecture, answer: str, length: int, machine: Machine) -> float:
    """GPU seconds of one sample."""
    work = forward_work(shape, [length], length if answer == "losses" else 1)
    if answer == "detection":
        return work.detection / (machine.flops_per_second("float32") * machine.training)
    reading = work.forward / (machine.flops_per_second("float32") * machine.reading)
    return reading + (ANSWER_TOKENS * 4 * parameters(shape) / MEMORY_BYTES_PER_SECOND if answer == "text" else 0.0)


def parameters(shape: Architecture) -> float:
    """Weights of the matrices, embeddings included: half the operations of a token, and the embedding."""
    work = forward_work(shape, [1], 1)
    return (work.linear + work.head) / 2 + shape.vocab_size * shape.hidden_size


def table(costs: dict[str, Cost], machine: Machine) -> str:
    """The answer as text: a line for each run, the sum, and the assumptions."""
    lines = [f"{'run':40s} {'cells':>7s} {'training':>10s} {'evaluation':>10s} {'GPU hours':>10s}"]
    for run, cost in costs.items():
        hours = (sum(cost.training.values()), sum(cost.evaluation.values()), cost.total)
        lines.append(f"{run:40s} {cost.cells:7d} " + " ".join(f"{value:10.1f}" for value in hours))
    total, cells = sum(cost.total for cost in costs.values()), sum(cost.cells for cost in costs.values())
    lines.append(f"{'all':40s} {cells:7d} {'':10s} {'':10s} {total:10.1f}")
    lines.append(
        f"on {machine.gpu}, reaching {machine.training:.0%} of its peak in training and {machine.reading:.0%} in "
        f"reading prompts; the model of the cost is at the head of workflow/cost.py"
    )
    return "\n".join(lines)


def configurations(path: str) -> dict[str, Configuration]:
    """The runs of a configuration file: one, or those of a study."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; name a configuration")
    values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    runs = runs_of_study(values) if is_study(values) else {values.get("run", path): values}
    return {run: load_settings(Configuration, json.dumps(settings)) for run, settings in runs.items()}


def main(arguments: list[str]) -> int:
    """Print the table; exit code 0, or 2 and one line."""
    parser = argparse.ArgumentParser(prog="python -m workflow.cost", description=__doc__.splitlines()[0])
    parser.add_argument("--configfile", default="config/demo.yaml", help="a configuration or a study")
    parser.add_argument("--gpu", default="H100", help="part of the GPU's name: H100, H200, A100 ...")
    parser.add_argument("--training", type=float, default=0.40, help="share of the peak that training reaches")
    parser.add_argument("--reading", type=float, default=0.40, help="share of the peak that reading prompts reaches")
    given = parser.parse_args(arguments)
    machine = Machine(given.gpu, given.training, given.reading)
    try:
        print(table({run: cost_of(one, machine) for run, one in configurations(given.configfile).items()}, machine))
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
