"""Settings of the instruments and of what is made of their scores: the `analysis` section.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field, PositiveInt

from contracts.settings import Settings
from eval.analysis.instruments import INSTRUMENTS
from eval.detection.settings import LongPPLDetection

InstrumentName = Literal[*INSTRUMENTS]
# The authors' scripts read the layers 24 to 31 of 32.
SCRIPTS_LAYERS_FROM = 0.75


class LayerSettings(Settings):
    """Which layers of a model an instrument of attention reads."""

    layers_from: float = Field(
        0.0, ge=0, lt=1, description="share of the layers, from the first, that are left out (0 to 1)"
    )
    block: PositiveInt = Field(64, description="queries whose attention is computed at once (count); changes no score")

    def first_layer(self, layers: int) -> int:
        """The first layer that is read, of so many."""
        return int(self.layers_from * layers)


class EmbeddingGradientSettings(Settings):
    """The gradient of the answer's loss with respect to a token's embedding, as one number."""

    norm: Literal[1, 2] = Field(2, description="norm of the gradient: 2 as in Eq. 2, 1 as in the authors' scripts")


class EmbeddingGradientL1Settings(EmbeddingGradientSettings):
    """What the authors' published IG figure is drawn from."""

    norm: Literal[1, 2] = Field(1, description="norm of the gradient")


class InformationFlowSettings(LayerSettings):
    """The IG score, A times the absolute gradient of the loss with respect to A."""

    form: Literal["paper", "scripts"] = Field(
        "paper", description="Eq. 1; or what the authors' scripts compute: heads are summed before the absolute value"
    )
    queries: Literal["predicting", "answer", "all"] = Field(
        "predicting",
        description="queries that count: those that predict the answer's tokens, the answer's own, or all of the row",
    )
    recompute: bool = Field(
        False, description="compute layers again in the backward pass: memory for one layer, a third more time"
    )


class ScriptsFlowSettings(InformationFlowSettings):
    """The IG score as the authors' scripts compute it."""

    form: Literal["paper", "scripts"] = Field("scripts", description="as in information_flow")
    layers_from: float = Field(
        SCRIPTS_LAYERS_FROM, ge=0, lt=1, description="share of the layers, from the first, that are left out (0 to 1)"
    )


class FactRetrievalSettings(LayerSettings):
    """What the queries that predict the answer attend to."""

    form: Literal["top", "mass"] = Field("top", description="the share of steps among the top, or the weight itself")
    top: PositiveInt = Field(
        30, description="tokens that a head attends to at a step (count); the paper names no number"
    )


class AttentionMassSettings(FactRetrievalSettings):
    """What the authors' published FR figure is drawn from."""

    form: Literal["top", "mass"] = Field("mass", description="as in fact_retrieval")
    layers_from: float = Field(
        SCRIPTS_LAYERS_FROM, ge=0, lt=1, description="share of the layers, from the first, that are left out (0 to 1)"
    )


class IntegratedGradientsSettings(Settings):
    """Gradients along the straight path from a baseline to the row's embeddings."""

    baseline: Literal["zero", "mean"] = Field(
        "mean", description="where the path begins: zeros, or the mean embedding of the vocabulary"
    )
    tokens: Literal["context", "all"] = Field("context", description="tokens that begin at the baseline")
    steps: PositiveInt = Field(32, description="points of the path (count), doubled until the scores are complete")
    steps_max: PositiveInt = Field(64, description="most points of the path (count)")
    tolerance: float = Field(
        0.05, gt=0, description="largest gap between the scores' sum and the loss's change, as a share of that change"
    )


class OcclusionSettings(Settings):
    """The change of the answer's loss when a chunk of the context is not there."""

    chunk: PositiveInt = Field(8, description="tokens of a chunk (count)")
    stride: PositiveInt = Field(
        4, description="tokens from a chunk to the next (count); a token's score is the mean over its chunks"
    )
    most: PositiveInt = Field(
        128,
        description="most chunks of a row (count), a pass of the model each; in longer texts chunk and stride grow by "
        "a whole factor",
    )
    replace: Literal["hide", "remove", "mean", "others"] = Field(
        "hide",
        description="what stands there instead: nothing, and all other tokens keep their positions; nothing, and they "
        "close up; the vocabulary's mean embedding; other tokens of the context, drawn",
    )


class AnalysisSettings(Settings):
    """Which instruments are run on the rows of the multi-hop probe, and what is made of their scores."""

    instruments: tuple[InstrumentName, ...] = Field(
        ("embedding_gradient", "information_flow", "fact_retrieval", "attention", "longppl", "occlusion"),
        min_length=1,
        description="instruments (names)",
    )
    top: PositiveInt = Field(30, description="tokens of the context with the highest scores that are looked at (count)")
    top_heads: PositiveInt = Field(30, description="heads that are compared with all heads, as in Table 5 (count)")
    control: Literal["other_row", "permuted", "none"] = Field(
        "other_row",
        description="shuffled labels: the answer of another row, or the row's own in another order; none: no control",
    )
    seed: int = Field(0, ge=0, description="of everything that is drawn: intervals, controls, other tokens")
    dtype: Literal["float32", "bfloat16", "float64"] = Field("float32", description="precision of the model")
    embedding_gradient: EmbeddingGradientSettings = Field(
        default_factory=EmbeddingGradientSettings, description="the gradient of embeddings"
    )
    embedding_gradient_l1: EmbeddingGradientL1Settings = Field(
        default_factory=EmbeddingGradientL1Settings, description="the same, as one of the scripts has it"
    )
    information_flow: InformationFlowSettings = Field(
        default_factory=InformationFlowSettings, description="the IG score (Eq. 1)"
    )
    information_flow_scripts: ScriptsFlowSettings = Field(
        default_factory=ScriptsFlowSettings, description="the IG score of the scripts"
    )
    fact_retrieval: FactRetrievalSettings = Field(default_factory=FactRetrievalSettings, description="the FR score")
    attention_mass: AttentionMassSettings = Field(
        default_factory=AttentionMassSettings, description="attention as the scripts sum it"
    )
    longppl: LongPPLDetection = Field(default_factory=LongPPLDetection, description="LongPPL's conditions")
    integrated_gradients: IntegratedGradientsSettings = Field(
        default_factory=IntegratedGradientsSettings, description="gradients along a path"
    )
    occlusion: OcclusionSettings = Field(default_factory=OcclusionSettings, description="chunks taken away")
