"""Which methods of inference answer the cells, and their settings: the `eval.inference` section.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from contracts.settings import Settings
from eval.inference.methods import INFERENCES

InferenceName = Literal[*INFERENCES]


class RagSettings(Settings):
    """Retrieval: the long text of a prompt is replaced by the chunks that suit the question best."""

    retriever: str | None = Field(None, description="folder of a Contriever (BERT) model; null: BM25")
    chunk_words: int = Field(200, ge=1, description="words up to which sentences are joined into one chunk (words)")
    top_k: int = Field(3, ge=1, description="chunks that the prompt keeps (count)")
    order: Literal["rank", "document"] = Field(
        "rank", description="order of the kept chunks: the best first, or as in the text"
    )


class RankSettings(Settings):
    """How the long texts of training samples are cut into chunks, and who scores them against the questions.

    Focused Learning (arXiv 2411.05928) takes Contriever; it gives no length of a chunk, the defaults are ours.
    """

    retriever: str | None = Field(None, description="folder of a Contriever (BERT) model; null: BM25")
    chunk_length: int = Field(128, ge=1, description="longest chunk, in chunk_unit; the last one of a text is shorter")
    chunk_unit: Literal["words", "tokens"] = Field("words", description="what chunk_length counts")
    batch: int = Field(32, ge=1, description="chunks that Contriever reads at a time (count)")


class FlexPrefillSettings(Settings):
    """FlexPrefill (arXiv 2502.20766): block-sparse attention over the prompt, dense attention while answering."""

    gamma: float = Field(0.95, gt=0, le=1, description="share of attention that the kept blocks cover; 1 is dense")
    tau: NonNegativeFloat = Field(
        0.1, description="a head is query-aware where the root of the Jensen-Shannon divergence is below this"
    )
    min_budget: int = Field(1024, ge=1, description="least key tokens that a query keeps (tokens)")
    max_budget: int | None = Field(None, ge=1, description="most key tokens that a pattern keeps (tokens); null: any")
    block: int = Field(128, ge=1, description="side of a block of the attention matrix (tokens)")


class XAttentionSettings(Settings):
    """XAttention (arXiv 2503.16428): blocks chosen by sums over antidiagonals, dense attention while answering."""

    threshold: float = Field(0.9, gt=0, le=1, description="share of a row's estimate that its blocks cover; 1 is dense")
    thresholds: str | None = Field(
        None, description="JSON file [layers][heads] of profiled thresholds, in place of `threshold`"
    )
    stride: int = Field(8, ge=1, description="every stride-th antidiagonal is looked at (tokens); divides block")
    block: int = Field(128, ge=1, description="side of a block of the attention matrix (tokens)")

    @model_validator(mode="after")
    def strides_fill_blocks(self) -> "XAttentionSettings":
        """A block is made of whole strides."""
        if self.block % self.stride:
            raise ValueError(f"stride {self.stride} must divide block {self.block}")
        return self


class InferenceSettings(Settings):
    """Every cell is answered once by each of these methods, where the method suits the task."""

    methods: tuple[InferenceName, ...] = Field(("dense",), min_length=1, description="methods of inference (names)")
    rag: RagSettings = Field(default_factory=RagSettings, description="retrieval of chunks of the long text")
    flexprefill: FlexPrefillSettings = Field(default_factory=FlexPrefillSettings, description="sparse attention")
    xattention: XAttentionSettings = Field(default_factory=XAttentionSettings, description="sparse attention")
