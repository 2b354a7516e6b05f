"""What a run's models are looked at with, on the rows of its multi-hop probe: the section `eval.analysis`.

No torch here: the workflow and the settings classes read this file.
"""

from pydantic import Field, NonNegativeInt, PositiveInt

from contracts.settings import Settings
from eval.analysis.denoising_settings import DenoisingSettings
from eval.analysis.settings import AnalysisSettings


class MapSettings(Settings):
    """Attention between chunks of a text (Figure 14)."""

    rows: PositiveInt = Field(4, description="rows of each cell that are drawn, from the first (count)")
    chunks: int = Field(24, ge=2, description="chunks of a text, the question included (count)")
    layer: NonNegativeInt | None = Field(
        None, description="layer that is looked at, from 0; null: three quarters down, as in the paper"
    )


class AnalysisSection(Settings):
    """Instruments, manual denoising and attention maps, on every cell of the benchmark hops."""

    lengths: tuple[PositiveInt, ...] | None = Field(
        None, description="lengths of hops that are looked at (tokens); null: all of them"
    )
    models: tuple[str, ...] | None = Field(None, description="models that are looked at (names); null: all")
    measured: AnalysisSettings = Field(default_factory=AnalysisSettings, description="the instruments")
    denoising: DenoisingSettings | None = Field(
        default_factory=DenoisingSettings, description="manual denoising (Figure 4); null: none"
    )
    maps: MapSettings | None = Field(default_factory=MapSettings, description="attention maps (Figure 14); null: none")
