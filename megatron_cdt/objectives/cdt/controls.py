"""Controls of denoising: everything as in Eq. 3, but for the tokens that move, the way they go, or how far.

in : a row's detection; the settings cdt.control
out: the shift that is subtracted from this rank's embeddings
invariant: what is drawn depends on the row's real tokens and the seed, not on the layout nor on padding.

# N real tokens of the row, T embeddings that this rank holds, B = 1 row, H hidden
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.objectives.cdt import ControlSettings
from megatron_cdt.objectives.row import WholeRow

# Tokens whose random directions are drawn together: one rank holds 1,024 x hidden numbers more at most.
DRAWN_TOGETHER = 1024


def controlled_shift(
    grad_TBH: Tensor,
    noise_T: Tensor,
    real_T: Tensor,
    places_T: np.ndarray,
    whole: WholeRow,
    control: ControlSettings,
    *,
    step: float,
    groups: Sequence[dist.ProcessGroup],
) -> Tensor:
    """The shift of this rank's embeddings under a control: fp32 [T, B, H].

    `places_T`: the positions of the embeddings in the row; `step`: the lr x beta of Eq. 3.
    """
    moved_T = moved_tokens(noise_T, real_T, places_T, whole, control, groups=groups)
    if control.direction == "random":
        grad_TBH = random_directions(grad_TBH, real_T, places_T, whole, control.seed)
    signed_step = -step if control.direction == "ascent" else step
    if control.match_norm:
        signed_step *= norm_ratio(grad_TBH, noise_T, moved_T, groups=groups)
    return grad_TBH * (moved_T[:, None, None] * signed_step)


def moved_tokens(
    noise_T: Tensor,
    real_T: Tensor,
    places_T: np.ndarray,
    whole: WholeRow,
    control: ControlSettings,
    *,
    groups: Sequence[dist.ProcessGroup],
) -> Tensor:
    """The tokens that move; `random` are as many of the whole row as there are noise tokens: bool [T]."""
    if control.moved == "random":
        # Every rank of the row asks, those of later pipeline stages too, which hold no embedding.
        noise_tokens = int(sum_over(noise_T.sum().double(), *groups))
        drawn_N = generator_of(whole, control.seed).permutation(int(whole.real_N.sum())) < noise_tokens
        return torch.from_numpy(at_places(drawn_N, places_T, whole)).to(noise_T.device) & real_T
    return {"noise": noise_T, "critical": real_T & ~noise_T, "all": real_T}[control.moved]


def random_directions(grad_TBH: Tensor, real_T: Tensor, places_T: np.ndarray, whole: WholeRow, seed: int) -> Tensor:
    """A normally distributed direction for each real token, as long as its gradient: fp32 [T, B, H]."""
    directions_TH = torch.zeros_like(grad_TBH[:, 0])
    real_number_T = (np.cumsum(whole.real_N) - 1)[places_T]
    for first in np.unique(real_number_T // DRAWN_TOGETHER):
        drawn = generator_of(whole, seed, int(first)).standard_normal((DRAWN_TOGETHER, grad_TBH.shape[-1]), np.float32)
        here_T = real_number_T // DRAWN_TOGETHER == first
        directions_TH[torch.from_numpy(here_T).to(real_T.device)] = torch.from_numpy(
            drawn[real_number_T[here_T] % DRAWN_TOGETHER]
        ).to(directions_TH)
    lengths_T = torch.linalg.vector_norm(grad_TBH[:, 0], dim=-1, keepdim=True)
    unit_TH = directions_TH / torch.linalg.vector_norm(directions_TH, dim=-1, keepdim=True).clamp_min(1e-30)
    return (unit_TH * lengths_T * real_T[:, None])[:, None]


def norm_ratio(grad_TBH: Tensor, noise_T: Tensor, moved_T: Tensor, *, groups: Sequence[dist.ProcessGroup]) -> float:
    """Length of the shift of all noise tokens over that of the moved ones, over the whole row; 0 where none moves."""
    squares_T = grad_TBH.double().square().sum((1, 2))
    noise, moved = sum_over(torch.stack([squares_T[noise_T].sum(), squares_T[moved_T].sum()]), *groups).tolist()
    return (noise / moved) ** 0.5 if moved else 0.0


def generator_of(whole: WholeRow, *key: int) -> np.random.Generator:
    """Random numbers of one row: the same for its tokens wherever padding is put between them."""
    tokens = zlib.crc32(whole.input_ids_N[whole.real_N].astype(np.int64).tobytes())
    return np.random.default_rng([tokens, *key])


def at_places(values_N: np.ndarray, places_T: np.ndarray, whole: WholeRow) -> np.ndarray:
    """The values of the row's real tokens at these places of the row; False for padding: bool [T]."""
    of_row = np.zeros(len(whole.real_N), dtype=bool)
    of_row[whole.real_N] = values_N
    return of_row[places_T]
