"""Which methods of inference answer the cells: the `eval.inference` section."""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings

InferenceName = Literal["dense"]


class InferenceSettings(Settings):
    """Every cell is answered once by each of these methods, where the method suits the task."""

    methods: tuple[InferenceName, ...] = Field(("dense",), min_length=1, description="methods of inference (names)")
