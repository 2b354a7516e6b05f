"""The `mix` section of the configuration: the supervised samples that are drawn from several sets and shuffled."""

from collections.abc import Iterable

from pydantic import Field, model_validator

from contracts.settings import Settings

SETS = ("longmit", "longalpaca")


class MixPart(Settings):
    """What is drawn from one set of samples."""

    path: str | None = Field(None, description="file or folder of the set, relative to the working folder")
    samples: int = Field(0, ge=0, description="samples for training")
    validation_samples: int = Field(0, ge=0, description="samples held back for validation; never among the others")
    evidence: tuple[int, ...] = Field(
        (), description="numbers of supporting passages that are drawn equally often; empty: whatever there is"
    )
    min_tokens: int | None = Field(
        None, ge=1, description="tokens of the shortest sample of this set; null: tokenize.samples.min_tokens"
    )

    def wanted(self, split: str) -> int:
        """The samples that a split gets."""
        return self.samples if split == "train" else self.validation_samples


class LongMITPart(MixPart):
    """The paper's: 7,000 samples, equally many with 2, 3, 4, 5 and 6 supporting passages."""

    samples: int = Field(7000, ge=0, description="samples for training")
    evidence: tuple[int, ...] = Field(
        (2, 3, 4, 5, 6),
        description="numbers of supporting passages that are drawn equally often; empty: whatever there is",
    )


class LongAlpacaPart(MixPart):
    """The paper's: 1,000 samples."""

    samples: int = Field(1000, ge=0, description="samples for training")


class MixSettings(Settings):
    """Samples of several sets, shuffled together once. Leaving `mix` out trains on the corpus instead."""

    longmit: LongMITPart | None = Field(
        None, description="LongMIT: multi-hop questions with known evidence; null or left out: none of it"
    )
    longalpaca: LongAlpacaPart | None = Field(
        None, description="LongAlpaca: questions about long documents; null or left out: none of it"
    )
    seed: int = Field(0, description="decides which samples are drawn, and their order")

    @model_validator(mode="after")
    def something_is_drawn(self) -> "MixSettings":
        """A mix of nothing is a mistake."""
        if not any(part.samples for part in self.parts().values()):
            raise ValueError(f"no samples for training; give one of {', '.join(SETS)}, with samples")
        return self

    def parts(self) -> dict[str, MixPart]:
        """The sets that are drawn from, by name."""
        found = {name: getattr(self, name) for name in SETS}
        return {name: part for name, part in found.items() if part is not None}


def paper_mix(sets: Iterable[str] = SETS) -> MixSettings:
    """The paper's numbers for some of its sets."""
    return MixSettings.model_validate({name: {} for name in sets})
