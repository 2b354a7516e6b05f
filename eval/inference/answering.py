"""One model that answers cell after cell, in one way; it is loaded when the first answer is missing.

in : the model's folder, the settings, a samples file
out: the predictions file of that cell (see eval.inference.predictions)
invariant: the header of a predictions file, made without loading the model, names all that the answers depend on.
"""

import importlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from contracts.code_reach import code_facts
from contracts.command_line import progress
from contracts.errors import InputError
from contracts.tokenizer import Tokenizer, load_tokenizer
from eval.backends.model_files import claimed_window, model_name, parameter_count, remembered_digest
from eval.backends.request import Answer, Backend, Request, request_of
from eval.backends.settings import GenerationSettings, backend_facts
from eval.building.prompts import PromptWriter
from eval.building.samples import SampleSet, read_samples
from eval.inference.methods import BACKENDS, PROMPT_CHANGING, inference_modules
from eval.inference.predictions import PredictionLog, prediction_log
from eval.inference.settings import InferenceName, InferenceSettings


@dataclass(frozen=True)
class Answering(ABC):
    """A model that answers cells in some way; `device` is auto, cpu or cuda.

    A subclass says what it can answer (`check`), all that its answers depend on (`description`), and gives them
    (`predictions`).
    """

    folder: str
    device: str
    # Where digests of model folders are remembered between jobs; None: nowhere.
    digests: Path | None = field(default=None, kw_only=True)

    def answer_cell(self, samples_path: str, output: str, *, wait: bool = False) -> None:
        """Answer every sample of a cell that has no answer yet; InputError where it cannot be answered.

        With `wait`, another process that is at the same cell is waited for.
        """
        samples = read_samples(samples_path)
        self.check(samples)
        with self.log(samples, output, wait=wait) as log:
            for _ in self.answered(samples, log):
                pass

    def work_ahead(self, cells: Iterable[tuple[str, str]], until: float) -> None:
        """Answer further cells whose samples are there, up to a time (of time.monotonic).

        Their files get their names from their own jobs, which also tell why a cell cannot be answered.
        """
        for samples_path, output in cells:
            if time.monotonic() > until:
                return
            try:
                samples = read_samples(samples_path)
                self.check(samples)
                with self.log(samples, output, named=False) as log:
                    for _ in self.answered(samples, log):
                        if time.monotonic() > until:
                            return
            except InputError:
                continue
            except RuntimeError:
                # Most likely memory: what is loaded here is in doubt, and this job's own cells are done.
                return

    def log(self, samples: SampleSet, output: str, **options: bool) -> AbstractContextManager[PredictionLog]:
        """The cell's log of predictions."""
        return prediction_log(output, self.header(samples), [row["id"] for row in samples.rows], **options)

    def answered(self, samples: SampleSet, log: PredictionLog) -> Iterator[None]:
        """Append one prediction after the other, as many as are missing."""
        rows = samples.rows[log.done :]
        if not rows:
            return
        pairs = zip(rows, self.predictions(samples, rows), strict=True)
        name = f"{samples.cell.task} {samples.cell.length}"
        for row, prediction in progress(pairs, description=name, unit="sample", total=len(rows)):
            log.append({"id": row["id"], **prediction})
            yield

    def check(self, samples: SampleSet) -> None:
        """InputError where the samples were made with another tokenizer."""
        if self.tokenizer.digest != samples.manifest["inputs"]["tokenizer_digest"]:
            raise InputError(f"{self.folder}: its tokenizer did not make {samples.path}; build samples with it")

    def header(self, samples: SampleSet) -> dict:
        """Everything that the predictions depend on."""
        return {"samples_sha256": samples.digest, **asdict(samples.cell), **self.description}

    @cached_property
    def description(self) -> dict:
        """The same for all cells, as far as the model tells it."""
        return {
            "model_name": model_name(self.folder),
            "model_sha256": remembered_digest(self.folder, self.digests),
            "parameters": parameter_count(self.folder),
            "context_window": claimed_window(self.folder),
        }

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer in the model's folder."""
        return load_tokenizer(self.folder)

    @abstractmethod
    def predictions(self, samples: SampleSet, rows: list[dict]) -> Iterator[dict]:
        """What the model makes of `rows`, in their order."""


@dataclass(frozen=True)
class Inference(Answering):
    """Losses and texts, by one method of inference."""

    inference: InferenceName
    methods: InferenceSettings
    generation: GenerationSettings

    def check(self, samples: SampleSet) -> None:
        """InputError where the samples ask for something else; a warning where they are long."""
        answer = samples.task.answer
        if answer == "detection":
            raise InputError(
                f"{samples.path}: asks for tokens; add --detector NAME (by gradients: `python -m megatron_cdt detect`)"
            )
        if self.inference in PROMPT_CHANGING and answer != "text":
            raise InputError(f"{samples.path}: has no question; leave out the method {self.inference} for this task")
        super().check(samples)
        window = claimed_window(self.folder)
        if window is not None and samples.cell.length > window and self.inference not in PROMPT_CHANGING:
            print(f"warning: {samples.cell.length} tokens exceed the model's window of {window}", file=sys.stderr)

    @cached_property
    def description(self) -> dict:
        """The same for all cells: model, method, backend, code."""
        options = getattr(self.methods, self.inference, None)
        return {
            **super().description,
            "inference": self.inference,
            "inference_settings": options.model_dump(mode="json") if options else {},
            **backend_facts(self.generation, self.device),
            **code_facts("eval.inference.answering", *inference_modules(self.inference, self.generation.backend)),
        }

    @property
    def backend_module(self) -> object:
        """Offers open_backend(...)."""
        return importlib.import_module(BACKENDS[self.generation.backend])

    @cached_property
    def backend(self) -> Backend:
        """The loaded model."""
        return self.backend_module.open_backend(
            self.folder, self.tokenizer, self.generation, self.inference, self.methods, self.device
        )

    def predictions(self, samples: SampleSet, rows: list[dict]) -> Iterator[dict]:
        """What the model makes of `rows`, in their order: {"losses"}, or {"prediction", "tokens"} and what was done."""
        if samples.task.answer == "losses":
            yield from map(self.losses, rows)
            return
        requests = [self.request(samples, row) for row in rows]
        answers = self.backend.answers([request for request, _ in requests])
        for (_, done), answer in zip(requests, answers, strict=True):
            yield {"prediction": answer.text, "tokens": answer.tokens, **done, **what_was_done(answer)}

    def losses(self, row: dict) -> dict:
        """The losses of one row."""
        losses, share = self.backend.losses(row["input_ids"])
        if not all(abs(loss) < float("inf") for loss in losses):
            raise InputError(f"sample {row['id']}: the model's loss is not finite; check that its weights are")
        return {"losses": [short(loss) for loss in losses], **({} if share is None else {"computed_blocks": share})}

    def request(self, samples: SampleSet, row: dict) -> tuple[Request, dict]:
        """What the model is asked for one sample, and what was done to its prompt."""
        if self.inference not in PROMPT_CHANGING:
            return request_of(row), {}
        tokens, done = self.shortener(samples).shortened(row)
        return request_of(row, tokens), done

    def shortener(self, samples: SampleSet):
        """What changes the prompts of a cell; it writes them as `build` did."""
        written = samples.manifest["settings"]
        settings = SimpleNamespace(**{key: written[key] for key in ("begin_with_bos", "chat_template", "chat_date")})
        writer = PromptWriter(self.tokenizer, settings, Path(self.folder))
        return self.prompt_changer(writer)

    @cached_property
    def prompt_changer(self):
        """opened(writer) -> what changes prompts; a retriever's model is loaded once."""
        module = importlib.import_module(PROMPT_CHANGING[self.inference])
        return module.opener(getattr(self.methods, self.inference), self.device)


def what_was_done(answer: Answer) -> dict:
    """The parts of an answer that only some methods and backends have."""
    more = {"computed_blocks": answer.computed_blocks, "same_as_transformers": answer.same_as_transformers}
    return {key: value for key, value in more.items() if value is not None}


def short(loss: float) -> float:
    """A loss as a float of 9 digits: the shortest length from which every fp32 number comes back exactly."""
    return float(f"{loss:.9g}")
