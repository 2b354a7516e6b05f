"""What is evaluated, and how: the `eval` section of a configuration.

Every benchmark has its own sub-section, written in its own package. `eval.cells` gives the part that one cell
depends on, so that a change of one task's key reruns that task's cells and no others.
"""

from pydantic import Field, PositiveInt, model_validator

from contracts.settings import Settings
from eval.analysis.section import AnalysisSection
from eval.backends.settings import GenerationSettings
from eval.benchmarks.babilong import BabilongSettings
from eval.benchmarks.helmet.settings import HelmetSettings
from eval.benchmarks.hops import HopsSettings
from eval.benchmarks.longbench import LongBenchSettings
from eval.benchmarks.longppl import LongPPLSettings
from eval.benchmarks.nq import NQSettings
from eval.benchmarks.perplexity import PerplexitySettings
from eval.benchmarks.qasper import QasperSettings
from eval.benchmarks.quality import QualitySettings
from eval.benchmarks.ruler import RulerSettings
from eval.benchmarks.stories import StoriesSettings
from eval.detection.settings import DetectionSettings
from eval.inference.settings import InferenceSettings


class BenchmarksSection(Settings):
    """The benchmarks to run: those whose section is there; `{}` takes all defaults of one."""

    perplexity: PerplexitySettings | None = Field(
        None, description="loss per token on held-back books and on GovReport"
    )
    longppl: LongPPLSettings | None = Field(None, description="perplexity over the tokens that need the long context")
    ruler: RulerSettings | None = Field(None, description="RULER: synthetic tasks of any length")
    babilong: BabilongSettings | None = Field(None, description="BABILong: bAbI's facts among the sentences of books")
    helmet: HelmetSettings | None = Field(None, description="HELMET: 21 tasks in 7 categories")
    longbench: LongBenchSettings | None = Field(None, description="LongBench-E: real documents, dialogues and code")
    quality: QualitySettings | None = Field(None, description="QuALITY: multiple choice about long stories")
    qasper: QasperSettings | None = Field(None, description="Qasper: questions about scientific papers")
    nq: NQSettings | None = Field(None, description="Natural Questions among passages that do not answer")
    stories: StoriesSettings | None = Field(None, description="answers to multi-hop questions among books' sentences")
    hops: HopsSettings | None = Field(None, description="critical-token detection on multi-hop questions")


class DataSettings(Settings):
    """Where the benchmarks' published files lie; a task says in one line which of them it needs."""

    essays: str | None = Field(None, description="RULER's haystack: PaulGrahamEssays.json (a file)")
    english_words: str | None = Field(
        None, description="words for RULER cwe above 8,000 different ones: one a line, or english_words.json (a file)"
    )
    babi: str | None = Field(
        None, description="questions of BABILong, stories of hops: bAbI 1.2, e.g. tasks_1-20_v1-2/en-10k (a folder)"
    )
    needles: str | None = Field(
        None, description="stories of hops: reasoning_needle.jsonl of the preliminary study (a file)"
    )
    babilong_subset: str | None = Field(
        None, description="which questions BABILong asks: test_100_idxs.json (a file); null: random ones"
    )
    squad: str | None = Field(None, description="questions of RULER qa_1: SQuAD dev-v2.0.json (a file)")
    hotpotqa: str | None = Field(None, description="questions of RULER qa_2: hotpot_dev_distractor_v1.json (a file)")
    govreport: str | None = Field(
        None,
        description="GovReport's documents: JSON lines or Parquet as the hub, LongBench or L-Eval have them (a file)",
    )
    helmet: str | None = Field(
        None, description="folder: HELMET's data/, with kilt/, ruler/, icl/ and so on (eval/benchmarks/helmet)"
    )
    reference_tokenizer: str | None = Field(
        None, description="tokenizer that counts and cuts documents for every model (Llama 2's); null: the models' own"
    )
    judge: str | None = Field(
        None,
        description="Hugging Face folder of the model that judges HELMET's answers and summaries; null: a stand-in",
    )
    nli: str | None = Field(
        None, description="Hugging Face folder of the entailment model behind HELMET's citations; null: a stand-in"
    )
    longbench: str | None = Field(
        None,
        description="LongBench's records: the folder of the published JSON lines (qasper_e.jsonl, ..., musique.jsonl)",
    )
    quality: str | None = Field(None, description="QuALITY's questions: the published JSON lines, or their folder")
    qasper: str | None = Field(None, description="Qasper's papers and questions: the published JSON, or its folder")
    nq: str | None = Field(
        None, description="Natural Questions with passages: JSON lines of Lost in the Middle, or DPR's JSON"
    )


class EvalSettings(Settings):
    """The `eval` section: one cell for every (model, inference, benchmark, task, length)."""

    benchmarks: BenchmarksSection = Field(default_factory=BenchmarksSection, description="the benchmarks to run")
    lengths: tuple[PositiveInt, ...] = Field((32768, 65536), min_length=1, description="sample lengths (tokens)")
    models: dict[str, str] = Field(
        default_factory=dict, description="further models to evaluate: {name: Hugging Face folder}"
    )
    inference: InferenceSettings = Field(default_factory=InferenceSettings, description="how the models read prompts")
    detection: DetectionSettings = Field(
        default_factory=DetectionSettings, description="what detects the tokens that answers rest on"
    )
    generation: GenerationSettings = Field(
        default_factory=GenerationSettings, description="how the answers are computed"
    )
    analysis: AnalysisSection | None = Field(
        None, description="what the models' answers to hops rest on: instruments, denoising, maps; null: not looked at"
    )
    data: DataSettings = Field(default_factory=DataSettings, description="the benchmarks' published files")
    seed: int = Field(42, ge=0, description="seed of all samples (a number; every sample derives its own generator)")
    begin_with_bos: bool = Field(
        False, description="start every row and plain prompt with the tokenizer's BOS token, counted in the length"
    )
    chat_template: str | None = Field(
        None,
        description="chat template of the models around prompts that take one: a Jinja file, or `tokenizer` for the "
        "one beside the tokenizer; null: plain prompts",
    )
    chat_date: str = Field(
        "2024-07-26", pattern=r"^\d{4}-\d{2}-\d{2}$", description="the day that a template may ask for (YYYY-MM-DD)"
    )

    @model_validator(mode="after")
    def analysis_has_rows(self) -> "EvalSettings":
        """The instruments read the rows of the multi-hop probe."""
        if self.analysis is not None and self.benchmarks.hops is None:
            raise ValueError("analysis reads the rows of benchmarks.hops; add hops, or leave analysis out")
        return self

    @model_validator(mode="after")
    def windows_are_shorter_than_rows(self) -> "EvalSettings":
        """A LongPPL window that is as long as a row leaves no token to compare."""
        longppl = self.benchmarks.longppl
        if longppl is not None and longppl.window >= min(longppl.lengths or self.lengths):
            raise ValueError(
                f"benchmarks.longppl.window {longppl.window} must be below the shortest length "
                f"{min(longppl.lengths or self.lengths)}"
            )
        return self
