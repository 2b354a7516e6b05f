"""The whole configuration file as one settings class: the sections of the rooms, and what they must agree on.

in : a configuration with all defaults filled in, as JSON text (what Snakemake holds after the schema check)
out: exit code 0, or 2 and one line where two sections contradict each other
Paths in it are relative to the working folder.
Run: python -m workflow.configuration '{"run": "demo", ...}'
"""

import re
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from contracts.errors import InputError
from contracts.settings import Settings, load_settings
from data_prep.settings import (
    AugmentSettings,
    CorpusSettings,
    FetchedFile,
    MixSettings,
    PackSettings,
    TokenizerSettings,
    TokenizeSettings,
)
from data_prep.sources import ENCODERS, QUESTION_ENCODER
from eval.inference.settings import RankSettings
from eval.settings import EvalSettings
from megatron_cdt.architecture import ModelSettings
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.training.settings import TrainSettings
from workflow.study import merged

Method = TrainSettings.model_fields["method"].annotation
# It is a part of paths.
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def without_method(schema: dict) -> None:
    """A configuration names `methods`; the one method of one training is the workflow's to fill in."""
    del schema["properties"]["method"]


class TrainSection(TrainSettings):
    """The `train` section: what all trainings of a run share, and which there are."""

    model_config = ConfigDict(json_schema_extra=without_method)

    methods: tuple[Method, ...] = Field(
        default=("ce", "cdt"), min_length=1, description="trainings of this run (names); each makes a model"
    )
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="further trainings on the same rows: {name: {method: ..., the keys of this section that differ}}",
    )

    @property
    def names(self) -> list[str]:
        """All trainings of the run."""
        return [*self.methods, *self.variants]

    def settings_of(self, name: str) -> TrainSettings:
        """The settings of one training; ValueError names the key of a variant that is wrong."""
        shared = self.model_dump(mode="json", exclude={"methods", "variants"})
        try:
            return TrainSettings.model_validate(merged(shared, {"method": name} | self.variants.get(name, {})))
        except ValidationError as error:
            complaint = error.errors()[0]
            place = ".".join(map(str, (f"train.variants.{name}", *complaint["loc"])))
            raise ValueError(f"{place}: {complaint['msg'].removeprefix('Value error, ')}") from None

    @model_validator(mode="after")
    def variants_are_trainings(self) -> "TrainSection":
        """A variant has a name and a method of its own, and shares what the rows and the machine were laid out for."""
        for name, changes in self.variants.items():
            if not MODEL_NAME.fullmatch(name) or name in METHODS:
                raise ValueError(
                    f"variants.{name}: a name has letters, digits, dots, dashes and underscores only, and is no "
                    "method's; choose another"
                )
            if "method" not in changes:
                raise ValueError(f"variants.{name}: says no method; add method: one of {', '.join(METHODS)}")
            if shared := sorted({"layout", "cpu_threads", "methods", "variants"} & changes.keys()):
                raise ValueError(f"variants.{name}.{shared[0]}: is the same for all trainings of a run; leave it out")
            self.settings_of(name)
        return self


class PairsSection(Settings):
    """The `pairs` section: how a sample's masked twin is made, for methods that learn from both."""

    rank: RankSettings = Field(default_factory=RankSettings, description="who scores the chunks of a long text")
    augment: AugmentSettings = Field(default_factory=AugmentSettings, description="which of them stay")


class DetectSettings(Settings):
    """The `detect` section: how critical tokens are found in trained models (task hops)."""

    lr: float = Field(default=5e-5, gt=0, description="learning rate of Eq. 3; changes the losses, not the mask")
    beta: float = Field(default=1.0, ge=0, description="denoising level of Eq. 3; changes the losses, not the mask")
    reduction: Literal["mean", "sum"] = Field(
        default="mean", description="the loss whose gradient is taken: mean or sum over the labelled tokens"
    )


class Configuration(Settings):
    """One run of the workflow, from books to a report."""

    run: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name; everything is written to results/<run>/"
    )
    packages: Literal["current", "kept"] = Field(
        default="current",
        description="another version of a package that a stage computes with: current: a reason to run it again; kept: "
        "none, the run goes on with what it was begun with on record",
    )
    fetch: dict[str, FetchedFile] = Field(
        default_factory=dict, description="files that are downloaded first: {path: {url, sha256}}"
    )
    corpus: CorpusSettings = Field(description="the books")
    tokenizer: TokenizerSettings = Field(default_factory=TokenizerSettings, description="trained, or given")
    tokenize: TokenizeSettings = Field(default_factory=TokenizeSettings, description="books to tokens")
    mix: MixSettings | None = Field(
        default=None, description="supervised samples to train on instead of the corpus; null: none"
    )
    pairs: PairsSection | None = Field(
        default=None, description="samples with their masked twins, for Focused Learning; null: none"
    )
    pack: PackSettings = Field(description="tokens to training rows")
    model: ModelSettings = Field(description="the start of all trainings")
    train: TrainSection = Field(description="the trainings")
    eval: EvalSettings = Field(default_factory=EvalSettings, description="the benchmarks")
    detect: DetectSettings = Field(default_factory=DetectSettings, description="critical-token detection")

    @model_validator(mode="after")
    def rows_fit_the_layout(self) -> "Configuration":
        """Rows are packed before they are trained on: their alignment has to suit the training's layout."""
        needed = self.train.layout.row_alignment
        if self.pack.alignment % needed:
            raise ValueError(
                f"pack.alignment {self.pack.alignment} does not suit train.layout, which shares each segment among "
                f"context ranks; set pack.alignment to a multiple of {needed}"
            )
        return self

    @model_validator(mode="after")
    def the_mix_is_whole(self) -> "Configuration":
        """What is drawn has a place, some of it is held back, and no sample is cut."""
        if self.mix is None:
            return self
        parts = self.mix.parts()
        for name, part in parts.items():
            if part.samples + part.validation_samples and not part.path:
                raise ValueError(f"mix.{name} has no path; name its file or folder, or leave mix.{name} out")
        if not any(part.validation_samples for part in parts.values()):
            raise ValueError("mix holds no sample back for validation; set validation_samples of a set to 1 or more")
        if self.pack.mode != "best-fit":
            raise ValueError(f"pack.mode {self.pack.mode} would cut samples; set pack.mode to best-fit")
        return self

    @model_validator(mode="after")
    def pairs_are_made_for_who_learns_from_them(self) -> "Configuration":
        """Twins are made of samples whose question has a known place, and no pair is parted."""
        learners = [name for name in self.train.names if METHODS[self.train.settings_of(name).method].pairs]
        if self.pairs is None:
            if learners:
                raise ValueError(
                    f"train: {learners[0]} learns from pairs; say in pairs how they are made, or pairs: {{}}"
                )
            return self
        if ENCODERS[self.corpus.source] != QUESTION_ENCODER or self.mix is not None:
            named = ", ".join(source for source, encoder in ENCODERS.items() if encoder == QUESTION_ENCODER)
            raise ValueError(f"pairs are made of questions about a text; set corpus.source to one of {named}")
        if self.pack.mode != "best-fit":
            raise ValueError(f"pack.mode {self.pack.mode} would part pairs; set pack.mode to best-fit")
        return self

    @model_validator(mode="after")
    def drills_are_whole(self) -> "Configuration":
        """What is generated is told, and no sample of it is cut."""
        if self.corpus.source != "drills":
            return self
        if self.corpus.drills is None:
            raise ValueError("corpus.source drills has no corpus.drills; say there what is to be generated")
        if self.pack.mode != "best-fit":
            raise ValueError(f"pack.mode {self.pack.mode} would cut drills; set pack.mode to best-fit")
        return self

    @model_validator(mode="after")
    def evaluator_exists(self) -> "Configuration":
        """LongPPL's key tokens are found by a model of this run, or by one that is there already."""
        longppl = self.eval.benchmarks.longppl
        if longppl is None:
            return self
        name, evaluators = longppl.evaluator, [*self.train.names, *self.eval.models]
        if name not in evaluators and not Path(name, "config.json").is_file():
            raise ValueError(
                f"eval.benchmarks.longppl.evaluator {name} is neither a Hugging Face folder nor one of the models of "
                f"this run; name a folder, or {' or '.join(evaluators)}"
            )
        return self

    @model_validator(mode="after")
    def models_are_there(self) -> "Configuration":
        """A further model is a Hugging Face folder, and no other model bears its name."""
        for name, folder in self.eval.models.items():
            if name in self.train.names:
                raise ValueError(f"eval.models.{name}: a training bears this name; choose another")
            if not MODEL_NAME.fullmatch(name):
                raise ValueError(f"eval.models.{name}: a name has letters, digits, dots, dashes and underscores only")
            if not Path(folder, "config.json").is_file():
                raise ValueError(f"eval.models.{name}: no Hugging Face model in {folder}; correct the folder")
        return self


def main(text: str) -> int:
    """Exit code of the check of one configuration; the complaint goes to stderr as one line."""
    try:
        load_settings(Configuration, text)
    except InputError as error:
        print(f"error: configuration: {' '.join(str(error).removeprefix('settings: ').split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
