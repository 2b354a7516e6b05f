"""Telling a run's steps: lines in the run folder for machines, lines on stderr for people. Only rank 0 tells."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch.distributed as dist

from contracts.files import atomic_text
from megatron_cdt.objectives.objective import Objective
from megatron_cdt.training.run_folder import RECORDS, Record
from megatron_cdt.training.sinks import Sink
from megatron_cdt.training.step import StepResult
from megatron_cdt.training.telemetry import LogLines, say, telemetry_words
from megatron_cdt.training.throughput import peak_memory_bytes, utilization


class Reporter:
    """The open records of a run; on other ranks than 0 it has none and every call is silent."""

    def __init__(
        self,
        folder: Path,
        method: type[Objective],
        last_step: int,
        peak_tflops: float | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        names = RECORDS if dist.get_rank() == 0 else ()
        if names:
            words = json.dumps(telemetry_words(method), indent=1)
            atomic_text(folder / "telemetry.json", words + "\n")
        self.records = {name: Record(folder / name) for name in names}
        self.lines, self.peak_tflops = LogLines(method, last_step), peak_tflops
        self.sinks = sinks
        self.warnings = {name: column.warning for name, column in method.telemetry.items() if column.warning}
        self.has_titles = False

    def step(self, result: StepResult, seconds: float, flops: float) -> None:
        """One step, how long it took, and the operations that it asked for over all processes."""
        if not self.records:
            return
        memory = peak_memory_bytes()
        rate = flops / seconds / dist.get_world_size() / 1e12
        timing = {
            "step": result.metrics["step"],
            "milliseconds": 1000 * seconds,
            "tokens_per_second": result.tokens / seconds,
            "tflops_per_second": rate,
            "mfu": utilization(rate, self.peak_tflops),
            "peak_memory_bytes": memory,
        }
        self.records["metrics.jsonl"].append(result.metrics)
        self.records["timing.jsonl"].append(timing)
        self.send(result.metrics["step"], result.metrics | timing)
        self.say_step(result.metrics | timing | {"memory_mib": memory / 2**20})

    def send(self, step: int, values: Mapping[str, float | None]) -> None:
        """To every sink; what is not known is left out."""
        for sink in self.sinks:
            sink.write(step, {name: value for name, value in values.items() if name != "step" and value is not None})

    def say_step(self, values: Mapping[str, float]) -> None:
        """The step's line on stderr, with titles above the first, and the method's warnings."""
        if not self.has_titles:
            say(self.lines.title(values))
        say(self.lines.line(values))
        for name in [name for name in self.warnings if values[name] <= 0]:
            say(f"WARNING: step {values['step']}: {self.warnings.pop(name)}")
        self.has_titles = True

    def validation(self, step: int, loss: float) -> None:
        """The held-back loss after a step."""
        if self.records:
            self.records["validation.jsonl"].append({"step": step, "validation_loss": loss})
            self.send(step, {"validation_loss": loss})
            say(f"step {step}: validation loss {loss:.5f} nats per token")

    def sync(self) -> None:
        """Force every line to disk: a checkpoint must never be ahead of them."""
        for record in self.records.values():
            record.sync()

    def close(self) -> None:
        """Force every line to disk, and let go of the files."""
        for opened in (*self.records.values(), *self.sinks):
            opened.close()
