"""What a run's models are looked at with: which files the instruments make, with which settings, and what is shown.

Everything is on the cells of the multi-hop probe; where the configuration has no section `eval.analysis`, nothing is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.fingerprint import canonical_json
from eval.analysis.instruments import INSTRUMENTS


class AnalysisPlan:
    """The section `eval.analysis` of one checked configuration."""

    def __init__(
        self, config: Mapping[str, Any], results: str, methods: Sequence[str], cells: Sequence[tuple[str, str, int]]
    ) -> None:
        self.config, self.results, self.methods = config, results, methods
        self.section = config["eval"]["analysis"] or {}
        chosen = self.section.get("lengths")
        self.cells = [cell for cell in cells if cell[0] == "hops" and (not chosen or cell[2] in chosen)]

    @property
    def models(self) -> list[str]:
        """The models that the instruments look at, those that were not trained here first."""
        untrained_first = [*self.config["eval"]["models"], *self.methods]
        chosen = self.section.get("models") or untrained_first
        return [model for model in untrained_first if model in chosen]

    def paths(self, kind: str, pattern: str) -> list[str]:
        """One path for every (model, task, length) of the multi-hop probe; none where `kind` is not asked for."""
        if not self.section.get(kind):
            return []
        models = self.models if "{model}" in pattern else [""]
        return [
            filled(pattern, model=model, task=task, length=length) for _, task, length in self.cells for model in models
        ]

    def figure_paths(self) -> list[str]:
        """The folders of figures that the configuration asks for."""
        return [
            *self.paths("measured", f"{self.results}/figures/{{task}}/{{length}}/{{model}}"),
            *self.paths("maps", f"{self.results}/figures/{{task}}/{{length}}/maps"),
        ]

    def shown(self, pattern: str) -> list[str]:
        """One path for every model, of the shortest cell that is looked at: the report shows that one."""
        if not self.section or not self.cells:
            return []
        _, task, length = min(self.cells, key=lambda cell: cell[2])
        return [filled(pattern, model=model, task=task, length=length) for model in self.models]

    def report_options(self) -> str:
        """That cell of every model, and the maps of it, as options of `eval report`."""
        tables = self.shown(
            f"--analysis {{model}} {{task}} {{length}} "
            f"{self.results}/analysis/instruments/{{model}}/{{task}}/{{length}}/table.json "
            f"{self.results}/figures/{{task}}/{{length}}/{{model}}"
        )
        return " ".join([*tables, *(f"--maps {folder}" for folder in self.shown_maps())])

    def shown_maps(self) -> list[str]:
        """The folder of the maps that the report shows."""
        folders = self.shown(f"{self.results}/figures/{{task}}/{{length}}/maps")
        return folders[:1] if self.section.get("maps") else []

    def settings(self, kind: str) -> str:
        """The settings of the instruments, of denoising or of the maps."""
        return canonical_json(self.section.get(kind) or {})

    def roots_of_instruments(self) -> tuple[str, ...]:
        """What the code begins with behind the instruments that are asked for."""
        chosen = self.section.get("measured", {}).get("instruments", ())
        return ("eval.commands.analyse", *sorted({INSTRUMENTS[name].module for name in chosen}))

    def roots_of_denoising(self) -> tuple[str, ...]:
        """What the code begins with behind manual denoising by its instrument."""
        chosen = (self.section.get("denoising") or {}).get("instrument")
        return ("eval.commands.denoise", *([INSTRUMENTS[chosen].module] if chosen else []))

    def map_options(self) -> str:
        """The settings of the maps as options on the command line."""
        maps = self.section.get("maps") or {}
        return " ".join(f"--{key} {value}" for key, value in maps.items() if value is not None)


def filled(pattern: str, **values: object) -> str:
    """A path with its wildcards filled in; `<results>` and the like stay for Snakemake."""
    return pattern.format(**values)
