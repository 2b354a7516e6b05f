"""What is moved in manual denoising, how far, and what it is compared with: the settings of `denoise`.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from contracts.settings import Settings
from eval.analysis.settings import InstrumentName

# What moves a row's embeddings, by name, as figures and tables call it. `noise` is the paper's rule, `oracle` that of
# the authors' scripts; the others are controls.
DIRECTIONS = {
    "noise": "noise tokens, against their gradient (Eq. 3)",
    "critical": "critical tokens, against their gradient",
    "critical_matched": "critical tokens, shift as long as that of noise",
    "random_tokens": "as many random tokens, against their gradient",
    "random_tokens_matched": "the same random tokens, shift as long as that of noise",
    "random_direction": "noise tokens, as far in random directions",
    "oracle": "all but the facts, against their gradient (scripts)",
    "shuffled_labels": "noise by another row's answer, shift as long as that of noise",
    "ascent": "noise tokens, along their gradient",
}
DirectionName = Literal[*DIRECTIONS]


class DenoisingSettings(Settings):
    """Manual denoising on the rows of the multi-hop probe."""

    steps: tuple[NonNegativeFloat, ...] = Field(
        (1e-6, 1e-5, 5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4),
        min_length=1,
        description="step sizes, learning rate times beta in Eq. 3 (numbers); the paper trains with 5e-5, the "
        "authors' scripts denoise with 0.1",
    )
    directions: tuple[DirectionName, ...] = Field(
        tuple(DIRECTIONS), min_length=1, description="what is moved (names): the paper's rule, and controls"
    )
    instrument: InstrumentName = Field(
        "embedding_gradient",
        description="whose score, where it is below the row's mean, makes a token noise (Eq. 2 takes the gradient's "
        "norm, section 3.2 of the paper the IG score)",
    )
    moved: Literal["prompt", "all"] = Field(
        "prompt",
        description="tokens that may move: all before the answer, so that a right answer is one that the model would "
        "give; or those of the answer too, as in Eq. 3",
    )
    other_questions: NonNegativeInt = Field(
        2, description="other questions to the same text that are asked with the same shift, at most (count)"
    )
    seed: int = Field(0, ge=0, description="of random tokens and directions, of other rows' answers, of intervals")
    dtype: Literal["float32", "bfloat16", "float64"] = Field("float32", description="precision of the model")
