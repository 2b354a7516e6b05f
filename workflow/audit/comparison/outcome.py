"""The outcome of one comparison: equal bytes, a deviation that a tolerance allows, or a difference and its place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """What two numbers may differ by: |a - b| <= relative * max(|a|, |b|) + absolute."""

    relative: float
    absolute: float

    def allows(self, a: float, b: float) -> bool:
        """Whether two numbers are close enough."""
        return abs(a - b) <= self.relative * max(abs(a), abs(b)) + self.absolute


@dataclass(frozen=True)
class Outcome:
    """`difference` is the first place beyond the tolerance, `deviation` the first place that is not equal."""

    artefact: str
    deviation: str | None = None
    difference: str | None = None
    largest: float = 0.0  # the largest relative deviation of numbers
    same_bytes: bool = True  # False where only provenance (hashes, code, versions) differs, too

    @property
    def identical(self) -> bool:
        """Equal in everything that is a result."""
        return self.deviation is None
