"""Manual denoising (Figure 4): what moving a text's noise tokens against their gradient does, beside controls.

in : a model; a row of hops, other rows on the same text, the row with another row's answer; step sizes
out: a line: loss, greedy answer and attention before and after every shift, on the row and on the other questions
The shift descends the loss of the very answer that is judged, so a lower loss alone says little; the other questions,
whose answers the gradient has not seen, and the controls say more.
Shapes: N tokens, D hidden size, R positions that predict the answer, K visible keys, H heads.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from contracts.fingerprint import sha256_value
from eval.analysis.answers import answer_start
from eval.analysis.attention_rows import LayerStates, attention_rows, seen_attention, visible_keys
from eval.analysis.denoising_settings import DenoisingSettings
from eval.analysis.embedding_gradient import embedding_gradient, row_embeddings
from eval.backends.models import HEAD_POSITIONS
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.benchmarks.hops.score import FACT_KINDS, token_mask

# Predicting positions whose attention is computed at once.
ATTENTION_BLOCK = 16


@dataclass(frozen=True)
class Slopes:
    """A row's gradient and which of its tokens are what: all that the directions are made of.

    `shuffled_ND` is the gradient for another row's answer, 0 on the answer's tokens; `movable_N` may move at all.
    """

    gradient_ND: torch.Tensor
    shuffled_ND: torch.Tensor
    noise_N: torch.Tensor
    shuffled_noise_N: torch.Tensor
    facts_N: torch.Tensor
    movable_N: torch.Tensor


def below_mean(scores_N: torch.Tensor) -> torch.Tensor:
    """Eq. 2: a token is noise where its score is below the mean over the row; bool [N]."""
    return scores_N < scores_N.mean()


def against(gradient_ND: torch.Tensor, mask_N: torch.Tensor) -> torch.Tensor:
    """The direction of Eq. 3: -g on the tokens of the mask, 0 elsewhere."""
    return -gradient_ND * mask_N[:, None]


def as_long_as(shift_ND: torch.Tensor, other_ND: torch.Tensor) -> torch.Tensor:
    """A shift scaled to the norm of another over the whole row; a shift of nothing stays nothing."""
    norm = shift_ND.norm()
    return shift_ND * (other_ND.norm() / norm) if norm > 0 else shift_ND


def moved_embeddings(embeddings_ND: torch.Tensor, shift_ND: torch.Tensor, step: float) -> torch.Tensor:
    """E' = E + step * shift, in fp32 at least and then in E's precision; what is not moved keeps its bits."""
    change_ND = step * shift_ND
    moved_ND = (embeddings_ND.to(shift_ND.dtype) + change_ND).to(embeddings_ND.dtype)
    return torch.where(change_ND == 0, embeddings_ND, moved_ND)


def directions(slopes: Slopes, generator: np.random.Generator) -> dict[str, torch.Tensor]:
    """{name: shift for a step of 1, [N, D]} of all of eval.analysis.denoising_settings.DIRECTIONS."""
    gradient_ND = slopes.gradient_ND
    noise_N = slopes.noise_N & slopes.movable_N
    noise_ND = against(gradient_ND, noise_N)
    critical_ND = against(gradient_ND, ~slopes.noise_N & slopes.movable_N)
    random_ND = against(gradient_ND, random_tokens(slopes.movable_N, int(noise_N.sum()), generator))
    other_ND = against(slopes.shuffled_ND, slopes.shuffled_noise_N & slopes.movable_N)
    return {
        "noise": noise_ND,
        "critical": critical_ND,
        "critical_matched": as_long_as(critical_ND, noise_ND),
        "random_tokens": random_ND,
        "random_tokens_matched": as_long_as(random_ND, noise_ND),
        "random_direction": randomly_turned(noise_ND, generator),
        "oracle": against(gradient_ND, ~slopes.facts_N & slopes.movable_N),
        "shuffled_labels": as_long_as(other_ND, noise_ND),
        "ascent": -noise_ND,
    }


def random_tokens(movable_N: torch.Tensor, count: int, generator: np.random.Generator) -> torch.Tensor:
    """So many of the tokens that may move, drawn: bool [N]."""
    movable = movable_N.nonzero().flatten()
    chosen = torch.from_numpy(generator.permutation(len(movable))[:count]).to(movable.device)
    mask_N = torch.zeros_like(movable_N)
    mask_N[movable[chosen]] = True
    return mask_N


def randomly_turned(shift_ND: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """Every token as far as in the shift, in a direction that is uniform on the sphere."""
    drawn = torch.from_numpy(generator.standard_normal(tuple(shift_ND.shape))).to(shift_ND)
    return drawn / drawn.norm(dim=-1, keepdim=True) * shift_ND.norm(dim=-1, keepdim=True)


def slopes_of(model: PreTrainedModel, row: dict, wrong: dict, scores, options: DenoisingSettings) -> Slopes:
    """The gradients of a row and of the same text with another answer (`wrong`), and the masks.

    `scores(row)` are those of the instrument that tells noise, float64 [n].
    """
    start, device = answer_start(row), model.device
    wide = torch.promote_types(model.dtype, torch.float32)
    gradient_ND = row_gradient(model, row).to(wide)
    shuffled_ND = torch.zeros_like(gradient_ND)
    shuffled_ND[:start] = row_gradient(model, wrong)[:start].to(wide)
    noise_N = below_mean(scores(row)).to(device)
    shuffled_noise_N = torch.zeros_like(noise_N)
    shuffled_noise_N[:start] = below_mean(scores(wrong)).to(device)[:start]
    count = len(row["input_ids"])
    facts = np.logical_or.reduce([token_mask(row["spans"], kind, count) for kind in FACT_KINDS])
    positions_N = torch.arange(count, device=device)
    movable_N = torch.full_like(noise_N, True) if options.moved == "all" else positions_N < start
    return Slopes(gradient_ND, shuffled_ND, noise_N, shuffled_noise_N, torch.from_numpy(facts).to(device), movable_N)


def row_gradient(model: PreTrainedModel, row: dict) -> torch.Tensor:
    """dL/dE of a row: [N, D]."""
    return embedding_gradient(model, row_embeddings(model, row["input_ids"]), row["labels"])[1]


@torch.no_grad()
def measured(model: PreTrainedModel, embeddings_ND: torch.Tensor, row: dict) -> dict[str, float]:
    """What the model does with a row whose tokens have these embeddings.

    {"loss" (mean over the answer's tokens, nats), "right" (1: every token of the answer is the likeliest),
    "token_accuracy", "attention.KIND" (weight on the tokens of a kind, mean over layers, heads and the positions that
    predict the answer)}
    """
    labels_N = torch.tensor(row["labels"], device=embeddings_ND.device)
    predicting_R = (labels_N[1:] != IGNORED).nonzero().flatten()
    layers: list[torch.Tensor] = []
    with seen_attention(model, layer=lambda states: layers.append(mean_attention(states, predicting_R))):
        states_ND = model.base_model(inputs_embeds=embeddings_ND[None], use_cache=False).last_hidden_state[0]
    head, targets_R = model.get_output_embeddings(), labels_N[predicting_R + 1]
    losses, hits = 0.0, 0
    for states_RD, targets in zip(
        states_ND[predicting_R].split(HEAD_POSITIONS), targets_R.split(HEAD_POSITIONS), strict=True
    ):
        logits_RV = head(states_RD).double()
        losses += float(F.cross_entropy(logits_RV, targets, reduction="sum"))
        hits += int((logits_RV.argmax(-1) == targets).sum())
    attention_N = torch.stack(layers).mean(0).cpu().numpy()
    kinds = dict.fromkeys(span["kind"] for span in row["spans"])
    masses = {kind: attention_N[token_mask(row["spans"], kind, len(attention_N))].sum() for kind in kinds}
    return {
        "loss": losses / len(targets_R),
        "right": float(hits == len(targets_R)),
        "token_accuracy": hits / len(targets_R),
        **{f"attention.{kind}": float(mass) for kind, mass in masses.items()},
    }


def mean_attention(states: LayerStates, rows_R: torch.Tensor) -> torch.Tensor:
    """A layer's attention from some positions, mean over them and over heads: float64 [N]."""
    total_N = torch.zeros(states.key_GND.shape[1], dtype=torch.float64, device=rows_R.device)
    for block_R in rows_R.split(ATTENTION_BLOCK):
        total_N[visible_keys(states, block_R)] += attention_rows(states, block_R).double().mean(0).sum(0)
    return total_N / len(rows_R)


def measured_with_others(
    model: PreTrainedModel, shift_ND: torch.Tensor, step: float, row: dict, others: list[dict]
) -> dict[str, float]:
    """`measured` of a shifted row; as "other.NAME" the mean over other questions, with the shift of the text alone.

    "relative_shift" is |E' - E| / |E| over the row, "moved_tokens" how many tokens that changed.
    """
    embeddings_ND = row_embeddings(model, row["input_ids"])
    moved_ND = moved_embeddings(embeddings_ND, shift_ND, step)
    change_ND = (moved_ND - embeddings_ND).double()
    found = [measured(model, moved_embeddings(*shared_shift(model, other, shift_ND), step), other) for other in others]
    return {
        **measured(model, moved_ND, row),
        "relative_shift": float(change_ND.norm() / embeddings_ND.double().norm()),
        "moved_tokens": int((change_ND != 0).any(-1).sum()),
        **{f"other.{name}": float(np.mean([each[name] for each in found])) for name in (found[0] if found else ())},
    }


def shared_shift(model: PreTrainedModel, other: dict, shift_ND: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(embeddings of another question's row, the shift of the text that both rows begin with)."""
    embeddings_ND = row_embeddings(model, other["input_ids"])
    shared = other["shared_tokens"]
    other_shift_ND = shift_ND.new_zeros(embeddings_ND.shape)
    other_shift_ND[:shared] = shift_ND[:shared]
    return embeddings_ND, other_shift_ND


def denoised(
    model: PreTrainedModel, row: dict, wrong: dict, others: list[dict], scores, options: DenoisingSettings
) -> dict:
    """{"tokens", "noise_tokens", "movable_tokens", "others" (counts), "before": measures, "after": {direction: [the
    measures of each step]}}.
    """
    slopes = slopes_of(model, row, wrong, scores, options)
    generator = np.random.default_rng(int(sha256_value([options.seed, row["id"]])[:16], 16))
    shifts = directions(slopes, generator)
    still_ND = torch.zeros_like(slopes.gradient_ND)
    return {
        "tokens": len(row["input_ids"]),
        "noise_tokens": int(slopes.noise_N.sum()),
        "movable_tokens": int(slopes.movable_N.sum()),
        "others": len(others),
        "before": measured_with_others(model, still_ND, 0.0, row, others),
        "after": {
            name: list(after_steps(model, shifts[name], row, others, options.steps)) for name in options.directions
        },
    }


def after_steps(model, shift_ND: torch.Tensor, row: dict, others: list[dict], steps) -> Iterator[dict]:
    """The measures of one direction, step after step."""
    for step in steps:
        yield measured_with_others(model, shift_ND, step, row, others)
