"""The recipes of CONTRIBUTING.md, followed in a copy of the repository: the files that they name are all it takes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.copy_of_repository import REPOSITORY, copy_of_repository
from tests.megatron_cdt.training.job import make_job, train_settings

COPIED = ("contracts", "data_prep", "megatron_cdt", "eval", "workflow", "config")
GENERATED = {"workflow/schemas/config.schema.json", "config/README.md"}
CORPUS = '''"""A corpus whose documents are the paragraphs of text files."""

from dataclasses import dataclass

from data_prep.sources.source import Document
from data_prep.sources.text import Text, open_source as open_text


@dataclass(frozen=True)
class Paragraphs(Text):
    """See data_prep.sources.source.Source."""

    def records(self, shard):
        for book in super().records(shard):
            for number, text in enumerate(filter(None, book.text.split("\\n\\n"))):
                yield Document(f"{book.id}-{number}", text, book.where)


def open_source(corpus, split):
    """The paragraphs of a split."""
    return Paragraphs(**vars(open_text(corpus, split)))
'''
DETECTOR = '''"""Critical are the first tokens of a row."""


def opened(folder, device, options):
    """A function that scores a row's tokens by how early they come."""

    def first(row):
        length = len(row["input_ids"])
        return {
            "token_scores": [1.0 / (1 + place) for place in range(length)],
            "critical": [int(place < 5) for place in range(length)],
        }

    return first
'''

INSTRUMENT = '''"""A token counts the more, the later it comes."""

import torch


def opened(model, options):
    """The positions of a row's tokens."""
    return lambda row: torch.arange(len(row["input_ids"]), dtype=torch.float64)
'''

BENCHMARK = {
    "__init__.py": '''"""Colours: which colour was named first? This file: what of it is asked."""

from typing import Literal

from pydantic import Field

from eval.benchmarks.settings import BenchmarkSettings


class ColoursSettings(BenchmarkSettings):
    """Colours: which colour was named first?"""

    tasks: tuple[Literal["first"], ...] = Field(("first",), min_length=1, description="tasks to run (names)")
    samples: int = Field(5, ge=1, description="questions (count)")
''',
    "build.py": '''"""Lists of colours, and the question which was first."""

from eval.building.context import Built
from eval.building.prompts import Prompt, sample_in_cell


def build(context):
    """The prompts of this cell."""
    return Built([sample_in_cell(context, question(context.generator(n))) for n in range(context.options.samples)])


def question(generator):
    """One list in another order."""
    colours = generator.sample(["red", "blue", "green"], 3)
    text = ", ".join(colours)
    return Prompt(f"{text}. The first colour was", colours[:1], 4, (0, len(text)))
''',
    "score.py": '''"""The share of answers that begin with the colour."""

from eval.scoring.scored import scored_texts


def score(task, rows, facts):
    """Accuracy of the cell and of every sample."""
    return scored_texts(rows, "accuracy", lambda row: float(row["prediction"].strip().startswith(row["answers"][0])))
''',
}


METHOD = '''"""Cross-entropy of the tokens that the model is least sure of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.objective import Column, RowObjective
from megatron_cdt.objectives.row import LocalRow


@dataclass(frozen=True)
class HardTokens(RowObjective):
    """L = sum over labelled tokens with a loss above 2 nats of -log p(token)."""

    telemetry: ClassVar[Mapping[str, Column]] = {
        "hard_tokens": Column("rows", "Tokens that are hard", "tokens of a row", "hard")
    }
    explanation: ClassVar[str] = "Easy tokens teach nothing."

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """See RowObjective."""
        hard = []

        def weigh(losses_C: Tensor, positions_C: Tensor) -> Tensor:
            hard.append((losses_C > 2).double().sum())
            return (losses_C > 2).float()

        loss = summed_cross_entropy(model, model.embed(row.input_ids_T), row, self.groups, weigh)
        return loss, {"hard_tokens": sum_over(sum(hard), self.groups.cp).item()}
'''

FAMILY_CONFIG = """    "seed_oss": FamilyConfig(
        "SeedOssForCausalLM",
        {"attention_bias": True, "attention_out_bias": False, "mlp_bias": False},
        {"max_position_embeddings": 524288, "num_key_value_heads": 8, "head_dim": 128},
        harmless={"attention_bias": (True,), "attention_out_bias": (False,)},
    ),
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository to add something to."""
    folder = tmp_path / "repository"
    copy_of_repository(folder, COPIED)
    return folder


def run(folder: Path, *words: object) -> str:
    """What `python -m WORDS...` in the copy prints."""
    command = [sys.executable, "-W", "ignore", "-m", *map(str, words)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-2000:]
    return ended.stdout


def add_line(path: Path, after: str, line: str) -> None:
    """Put one line behind the first that begins a table."""
    put_in_place_of(path, after, f"{after}{line}")


def put_in_place_of(path: Path, old: str, new: str) -> None:
    """Put a text in place of another that stands there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def make_schema(folder: Path) -> None:
    """What `make schema` does."""
    run(folder, "workflow.schemas.generate")


def touched(folder: Path) -> set[str]:
    """The files of the copy that are not as in the repository."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in COPIED
        for path in (folder / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {
        name
        for name, content in files.items()
        if not (REPOSITORY / name).is_file() or (REPOSITORY / name).read_bytes() != content
    }


def test_a_corpus_is_a_file_and_a_line(copy, tmp_path):
    (copy / "data_prep/sources/paragraphs.py").write_text(CORPUS, encoding="utf-8")
    add_line(
        copy / "data_prep/sources/__init__.py",
        "ENCODERS = {\n",
        '    "paragraphs": "data_prep.tokens.encode:document_encoder",\n',
    )
    make_schema(copy)
    assert touched(copy) == {"data_prep/sources/paragraphs.py", "data_prep/sources/__init__.py"} | GENERATED
    schema = json.loads((copy / "workflow/schemas/config.schema.json").read_text())
    assert "paragraphs" in schema["$defs"]["CorpusSettings"]["properties"]["source"]["enum"]
    (tmp_path / "books").mkdir()
    book = (REPOSITORY / "resources/pg19/test/860.txt").read_text(encoding="utf-8").replace("\r\n", "\n")[:20_000]
    (tmp_path / "books/1.txt").write_text(book, encoding="utf-8")
    corpus = ("--input", tmp_path / "books", "--source", "paragraphs")
    run(copy, "data_prep", "tokenizer", *corpus, "--vocab-size", 400, "--output", tmp_path / "tokenizer")
    words = ("--tokenizer", tmp_path / "tokenizer", "--output", tmp_path / "tokens")
    run(copy, "data_prep", "tokenize", *corpus, *words)
    counts = json.loads((tmp_path / "tokens/manifest.json").read_text())["counts"]
    paragraphs = [text for text in book.split("\n\n") if text]
    assert str(len(paragraphs)) in json.dumps(counts)
    assert len(paragraphs) > 20


def test_a_detector_is_a_file_and_a_line(copy, tmp_path):
    (copy / "eval/detection/first.py").write_text(DETECTOR, encoding="utf-8")
    add_line(
        copy / "eval/detection/detectors.py",
        "DETECTORS = {\n",
        '    "first": Detector("first tokens", "eval.detection.first"),\n',
    )
    make_schema(copy)
    assert touched(copy) == {"eval/detection/first.py", "eval/detection/detectors.py"} | GENERATED
    corpus = ("--input", REPOSITORY / "resources/pg19/test", "--source", "text")
    run(copy, "data_prep", "tokenizer", *corpus, "--vocab-size", 400, "--output", tmp_path / "tokenizer")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=400, **sizes)).save_pretrained(tmp_path / "model")
    for file in (tmp_path / "tokenizer").iterdir():
        (tmp_path / "model" / file.name).write_bytes(file.read_bytes())
    settings = json.dumps({"lengths": [480], "benchmarks": {"hops": {"samples": 2, "emojis": 2}}})
    cell = ("--benchmark", "hops", "--task", "2hop", "--length", 480, "--tokenizer", tmp_path / "tokenizer")
    data = ("--data", f"books={REPOSITORY / 'resources/pg19'}")
    run(copy, "eval", "build", *cell, *data, "--settings", settings, "--output", tmp_path / "480.jsonl")
    given = ("--model", tmp_path / "model", "--samples", tmp_path / "480.jsonl", "--device", "cpu")
    detecting = json.dumps({"detection": {"methods": ["first"]}})
    run(
        *(copy, "eval", "generate", *given, "--detector", "first", "--settings", detecting),
        *("--output", tmp_path / "found.jsonl"),
    )
    header, *rows = map(json.loads, (tmp_path / "found.jsonl").read_text().splitlines())
    assert header["detector"] == "first"
    assert [row["critical"][:6] for row in rows] == [[1, 1, 1, 1, 1, 0]] * 2


def test_an_instrument_is_a_file_and_a_line(copy, tmp_path):
    (copy / "eval/analysis/late.py").write_text(INSTRUMENT, encoding="utf-8")
    line = '    "late": Instrument("late tokens", "eval.analysis.late"),\n'
    add_line(copy / "eval/analysis/instruments.py", "INSTRUMENTS = {\n", line)
    make_schema(copy)
    assert touched(copy) - GENERATED == {"eval/analysis/late.py", "eval/analysis/instruments.py"}
    base = REPOSITORY / "resources/base"
    settings = json.dumps({"lengths": [300], "benchmarks": {"hops": {"samples": 2, "emojis": 2, "stories": "own"}}})
    cell = ("--benchmark", "hops", "--task", "2hop", "--length", 300, "--tokenizer", base)
    data = ("--data", f"books={REPOSITORY / 'resources/pg19'}")
    run(copy, "eval", "build", *cell, *data, "--settings", settings, "--output", tmp_path / "300.jsonl")
    given = ("--model", base, "--samples", tmp_path / "300.jsonl", "--device", "cpu", "--output", tmp_path / "found")
    run(copy, "eval", "analyse", *given, "--instruments", "late", "--settings", '{"control": "none"}')
    _, *lines = map(json.loads, (tmp_path / "found/scores/late.jsonl").read_text().splitlines())
    assert [line["scores"][:3] for line in lines] == [[0.0, 1.0, 2.0]] * 2
    assert {record["title"] for record in json.loads((tmp_path / "found/table.json").read_text())["table"]} == {
        "late tokens"
    }


def test_a_benchmark_is_a_package_and_a_line_in_the_registry_and_the_settings(copy, tmp_path):
    for name, text in BENCHMARK.items():
        path = copy / "eval/benchmarks/colours" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    task = 'Task("eval.benchmarks.colours.build:build", "eval.benchmarks.colours.score:score")'
    add_line(copy / "eval/registry.py", "BENCHMARKS = {\n", f'    "colours": Benchmark({{"first": {task}}}),\n')
    settings = copy / "eval/settings.py"
    add_line(
        settings,
        "from eval.benchmarks.babilong import BabilongSettings\n",
        "from eval.benchmarks.colours import ColoursSettings\n",
    )
    section = '    """The benchmarks to run: those whose section is there; `{}` takes all defaults of one."""\n\n'
    add_line(settings, section, '    colours: ColoursSettings | None = Field(None, description="the first colour")\n')
    make_schema(copy)
    package = {f"eval/benchmarks/colours/{name}" for name in BENCHMARK}
    assert touched(copy) == package | {"eval/registry.py", "eval/settings.py"} | GENERATED
    assert "eval.benchmarks.colours.samples" in (copy / "config/README.md").read_text(encoding="utf-8")
    corpus = ("--input", REPOSITORY / "resources/pg19/test", "--source", "text")
    run(copy, "data_prep", "tokenizer", *corpus, "--vocab-size", 400, "--output", tmp_path / "tokenizer")
    cell = ("--benchmark", "colours", "--task", "first", "--length", 64, "--tokenizer", tmp_path / "tokenizer")
    chosen = json.dumps({"lengths": [64], "benchmarks": {"colours": {}}})
    run(copy, "eval", "build", *cell, "--settings", chosen, "--output", tmp_path / "64.jsonl")
    samples = [json.loads(line) for line in (tmp_path / "64.jsonl").read_text().splitlines()]
    said = [f" {sample['answers'][0]}" if number else " none" for number, sample in enumerate(samples)]
    lines = [
        json.dumps({"prediction": prediction, "answers": sample["answers"]})
        for prediction, sample in zip(said, samples, strict=True)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ("--benchmark", "colours", "--task", "first", "--predictions", tmp_path / "mine.jsonl")
    run(copy, "eval", "score", *given, "--output", tmp_path / "score.json")
    assert json.loads((tmp_path / "score.json").read_text())["score"] == 80.0


def test_a_training_method_is_a_file_and_a_line(copy, tmp_path):
    (copy / "megatron_cdt/objectives/hard.py").write_text(METHOD, encoding="utf-8")
    add_line(
        copy / "megatron_cdt/objectives/registry.py",
        "METHODS: dict[str, Method] = {\n",
        '    "hard": Method("hard tokens", "megatron_cdt.objectives.hard:HardTokens"),\n',
    )
    make_schema(copy)
    assert touched(copy) == {"megatron_cdt/objectives/hard.py", "megatron_cdt/objectives/registry.py"} | GENERATED
    (tmp_path / "job").mkdir()
    job, run_folder = make_job(tmp_path / "job"), tmp_path / "run"
    run(copy, "megatron_cdt", *job.arguments(train_settings(method="hard"), run_folder))
    steps = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 6
    assert all(step["hard_tokens"] > 0 for step in steps)
    words = json.loads((run_folder / "telemetry.json").read_text())
    assert words["columns"]["hard_tokens"]["title"] == "Tokens that are hard"
    assert words["explanation"] == "Easy tokens teach nothing."


def test_a_model_family_is_its_name_what_is_other_in_its_maths_and_how_its_config_says_so(copy):
    copy_of_repository(copy, ("tests", "pyproject.toml"))
    architecture, config = copy / "megatron_cdt/architecture.py", copy / "megatron_cdt/huggingface/config.py"
    put_in_place_of(architecture, '"qwen2", "qwen3"]', '"qwen2", "qwen3", "seed_oss"]')
    put_in_place_of(architecture, 'return self.family == "qwen2"', 'return self.family in ("qwen2", "seed_oss")')
    add_line(config, "FAMILIES: dict[Family, FamilyConfig] = {\n", FAMILY_CONFIG)
    make_schema(copy)
    ours = {"megatron_cdt/architecture.py", "megatron_cdt/huggingface/config.py"}
    assert touched(copy) == ours | GENERATED
    models, spelling = (copy / "tests/megatron_cdt/huggingface" / name for name in ("models.py", "test_config.py"))
    add_line(models, "from transformers import (\n", "    SeedOssConfig,\n    SeedOssForCausalLM,\n")
    add_line(models, "CLASSES = {\n", '    "seed_oss": (SeedOssConfig, SeedOssForCausalLM, {"head_dim": 10}),\n')
    add_line(spelling, "FAMILIES = {\n", '    "seed_oss": {"attention_bias": True},\n')
    tests = ("engine/test_model.py", "huggingface/test_weights.py", "huggingface/test_config.py")
    files = (copy / "tests/megatron_cdt" / name for name in tests)
    said = run(copy, "pytest", "-v", "-k", "seed_oss", "-p", "no:cacheprovider", *files)
    # Logits; tensors out as they went in, in two dtypes; the same class in transformers; the same defaults.
    assert said.count("seed_oss") == said.count("PASSED") == 5
