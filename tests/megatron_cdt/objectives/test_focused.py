"""Focused Learning against plain autograd over all pairs at once, in float64 on transformers, and across layouts."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F

from contracts.errors import InputError
from contracts.packs import PackReader
from contracts.tokens import MASKED
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes
from megatron_cdt.huggingface.fresh import initialize_weights
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import whole_tensors
from megatron_cdt.objectives.focused import FocusedSettings
from megatron_cdt.objectives.focused.objective import Focused, info_nce
from megatron_cdt.objectives.objective import row_work
from megatron_cdt.objectives.row import WholeRow, cut_row, whole_row
from megatron_cdt.training.checkpoint import TrainingState
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.distributed import run_distributed
from tests.megatron_cdt.huggingface.models import random_llama
from tests.megatron_cdt.training.job import ARCHITECTURE, LENGTH, VOCABULARY, train_settings, write_pack

# Rows of pairs: (prompt, answer, padding) of every sample.
ROWS = [
    [(7, 3, 2), (7, 3, 0)],
    [(5, 1, 0), (5, 1, 2), (9, 4, 1), (6, 4, 0)],
    [(11, 2, 3), (8, 2, 0)],
]
CONSTANTS = [
    {"token": token, "normalise": normalise, "temperature": temperature, "weight": weight}
    for token in ("last_prompt", "answer_mean", "last")
    for normalise, temperature, weight in ((True, 0.2, 1.0), (False, 8.0, 0.3))
]


def row_of(samples: list[tuple[int, int, int]], seed: int, groups):
    """A row of samples, and each sample's (start, prompt, end)."""
    ids, labels, real, lengths = [], [], [], []
    generator = np.random.default_rng(seed)
    for prompt, answer, padding in samples:
        own = generator.integers(0, 96, prompt + answer)
        ids += [*own, *[0] * padding]
        # The label of a token stands one before it.
        labels += [*[-100] * (prompt - 1), *own[prompt:], *[-100] * (padding + 1)]
        real += [True] * (prompt + answer) + [False] * padding
        lengths.append(prompt + answer + padding)
    return cut_row(WholeRow(np.array(ids), np.array(labels), np.array(real), lengths, answers_only=True), groups)


class AsLanguageModel:
    """A model of transformers as objectives see one, segment by segment."""

    post_process = True

    def __init__(self, theirs) -> None:
        self.theirs = theirs
        self.config = SimpleNamespace(hidden_size=theirs.config.hidden_size, sequence_parallel=False)

    def embed(self, input_ids_T):
        return self.theirs.model.embed_tokens(input_ids_T)[:, None]

    def hidden_states(self, embeddings_TBH, packing):
        lengths = packing.cu_seqlens_q.diff().tolist()
        segments = embeddings_TBH.transpose(0, 1).split(lengths, dim=1)
        states = [self.theirs.model(inputs_embeds=each).last_hidden_state for each in segments]
        return torch.cat(states, dim=1).transpose(0, 1)

    def head_weight(self):
        return self.theirs.lm_head.weight


def written_out(theirs, settings: FocusedSettings) -> tuple[torch.Tensor, dict]:
    """The loss of all pairs from the formulas, under one graph: its sum over pairs, and parts of it."""
    answers, states = [], []
    for seed, samples in enumerate(ROWS):
        generator = np.random.default_rng(seed)
        for prompt, answer, _ in samples:
            ids = torch.from_numpy(generator.integers(0, 96, prompt + answer))[None]
            out = theirs(ids, output_hidden_states=True)
            log_p = out.logits[0, prompt - 1 : -1].log_softmax(-1)
            answers.append(-log_p.gather(1, ids[0, prompt:, None]).mean())
            hidden = out.hidden_states[-1][0]
            chosen = {"last_prompt": hidden[prompt - 1], "answer_mean": hidden[prompt:].mean(0), "last": hidden[-1]}
            states.append(chosen[settings.token])
    whole, masked = torch.stack(states[::2]), torch.stack(states[1::2])
    if settings.normalise:
        whole, masked = F.normalize(whole, dim=1), F.normalize(masked, dim=1)
    similarity = whole @ masked.T
    own = torch.arange(len(whole))
    logits = similarity / settings.temperature
    contrast = (F.cross_entropy(logits, own, reduction="sum") + F.cross_entropy(logits.T, own, reduction="sum")) / 2
    return sum(answers) + settings.weight * contrast, {"similarity": similarity.detach(), "contrast": contrast.item()}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return random_llama(tmp_path_factory.mktemp("llama"), vocab_size=96).double()


@pytest.mark.parametrize("constants", CONSTANTS, ids=lambda c: f"{c['token']}-{c['normalise']}")
def test_loss_and_gradients_are_those_of_all_pairs_under_one_graph(theirs, groups, on_this_device, constants):
    settings = FocusedSettings(**constants)
    theirs.zero_grad()
    expected, parts = written_out(theirs, settings)
    wanted = dict(zip(dict(theirs.named_parameters()), torch.autograd.grad(expected, theirs.parameters()), strict=True))
    rows = [row_of(samples, seed, groups) for seed, samples in enumerate(ROWS)]
    objective, total, telemetry = Focused(groups, settings), 0.0, []
    for loss, told in objective.losses(AsLanguageModel(theirs), rows):
        loss.backward()
        total += loss.item()
        telemetry.append(told)
    assert total == pytest.approx(expected.item(), rel=1e-6)
    assert parts["contrast"] > 0.1
    for name, parameter in theirs.named_parameters():
        scale = wanted[name].abs().max().item()
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-6, atol=1e-6 * scale, msg=name)
    similarity = parts["similarity"]
    assert telemetry[0]["own_similarity"] == pytest.approx(similarity[0, 0].item(), rel=1e-6)
    assert telemetry[0]["other_similarity"] == pytest.approx(similarity[0, 1:].mean().item(), rel=1e-6)
    assert telemetry[1]["own_similarity"] == pytest.approx(similarity.diagonal()[1:3].mean().item(), rel=1e-6)
    assert {told["negatives"] for told in telemetry} == {3.0}
    pairs = [len(row.whole.segment_lengths) // 2 for row in rows]
    contrast = sum(count * told["contrastive_loss"] for count, told in zip(pairs, telemetry, strict=True))
    assert contrast == pytest.approx(parts["contrast"], rel=1e-6)
    answers = sum(n * (t["answer_loss"] + t["masked_answer_loss"]) for n, t in zip(pairs, telemetry, strict=True))
    assert answers + settings.weight * contrast == pytest.approx(total, rel=1e-6)
    assert [objective.own_units(row) for row in rows] == pairs


def test_a_single_pair_has_no_contrast_and_says_so(theirs, groups, on_this_device, capsys):
    theirs.zero_grad()
    row = row_of(ROWS[0], 0, groups)
    ((loss, telemetry),) = Focused(groups, FocusedSettings()).losses(AsLanguageModel(theirs), [row])
    ((plain, _),) = Focused(groups, FocusedSettings(weight=0.0)).losses(AsLanguageModel(theirs), [row])
    parameters = list(theirs.parameters())
    for with_contrast, without in zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(plain, parameters), strict=True
    ):
        assert torch.equal(with_contrast, without)
    assert loss.item() == plain.item()
    assert (telemetry["negatives"], telemetry["contrastive_loss"], telemetry["other_similarity"]) == (0.0, 0.0, 0.0)
    warning = Focused.telemetry["negatives"].warning
    assert "single pair: its contrastive term is zero" in warning


def test_info_nce_is_zero_of_one_and_symmetric_in_the_two_views():
    assert info_nce(torch.tensor([[0.3]]), 0.05).tolist() == [0.0]
    similarity = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(info_nce(similarity, 0.5), info_nce(similarity.T, 0.5))


def pair_row(generator: np.random.Generator, number: int) -> dict:
    """A row of one pair or two; the answers of a row of one lie on context rank 0 of 2."""
    lengths = [[16, 16], [8, 8, 8, 8]][number % 2]
    starts = np.cumsum(lengths) - lengths
    answers = [(start + (1 if number % 4 == 0 else 4), 2) for start in starts.tolist()]
    return {
        "input_ids": generator.integers(1, VOCABULARY, LENGTH).tolist(),
        "segment_lengths": lengths,
        "segment_tokens": [length - 1 for length in lengths],
        "segment_documents": [f"{number}.{n // 2}" + (MASKED if n % 2 else "") for n in range(len(lengths))],
        "segment_starts": [0] * len(lengths),
        "label_spans": [{"start": start, "end": start + tokens} for start, tokens in answers],
        "evidence_spans": None,
    }


SETTINGS = train_settings(
    method="focused", global_batch_rows=4, warmup_steps=0, steps=2, adam_eps=1e-3, learning_rate=1e-3, clip_grad=0.0
) | {"min_learning_rate": 1e-3, "focused": {"temperature": 0.3}}


def trained(pack: str, layout: dict, options: dict) -> tuple[list[dict], dict | None]:
    """Metrics of two steps, and the weights after them (on the rank that has them whole)."""
    groups = start_processes(Layout(**layout))
    settings, architecture = TrainSettings(**SETTINGS), Architecture(**ARCHITECTURE)
    model = build_model(architecture, groups, ModelOptions(**options))
    initialize_weights(model, architecture, 5, groups)
    ddp = wrap_model(model, groups)
    state = TrainingState(ddp, build_optimizer(ddp, settings, groups), architecture, groups)
    steps = [train_step(state, PackReader(pack), settings, step, 0).metrics for step in (1, 2)]
    shapes = tensor_shapes(architecture)
    weights = {name: tensor.clone() for name, tensor in zip(shapes, whole_tensors(model, groups, shapes), strict=True)}
    return steps, weights if groups.tp.rank() == groups.pp.rank() == 0 else None


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("focused") / "packs"
    write_pack(folder, rows=10, seed=1, tokenizer_digest="t", make_row=pair_row)
    return str(folder)


@pytest.fixture(scope="module")
def alone(pack):
    yield trained(pack, {}, {})
    stop_processes()


@pytest.mark.parametrize(
    ("processes", "layout", "options"),
    [
        (2, {}, {}),
        (2, {"context": 2}, {}),
        (2, {"tensor": 2}, {}),
        (2, {"pipeline": 2}, {}),
        (4, {"context": 2}, {"recompute": "full"}),
        (4, {"tensor": 2}, {"sequence_parallel": True}),
    ],
    ids=["dp2", "cp2", "tp2", "pp2", "dp2-cp2-recompute", "dp2-tp2-sp"],
)
def test_steps_shared_by_processes_are_those_of_one(pack, alone, processes, layout, options):
    for steps, weights in run_distributed(trained, processes, pack, layout, options):
        for step, wanted in zip(steps, alone[0], strict=True):
            assert step == pytest.approx(wanted, rel=1e-5)
        for name, weight in (weights or {}).items():
            torch.testing.assert_close(weight, alone[1][name], rtol=1e-5, atol=1e-6, msg=name)
    assert alone[0][0]["contrastive_loss"] > 0.1
    assert alone[0][0]["negatives"] >= 4


def test_a_row_that_is_no_pairs_is_refused_with_the_cure(pack, groups):
    row = PackReader(pack).row(0)
    assert Focused.complaint_about(row) is None
    assert "masked twin" in Focused.complaint_about(changed(row, documents=["a", "b"]))
    assert "labels every token" in Focused.complaint_about(changed(row, label_spans=None))
    one = changed(row, label_spans=row.label_spans[:1])
    assert f"sample 0.0{MASKED} has none; pack pairs" in Focused.complaint_about(one)
    with pytest.raises(InputError, match="each sample with a labelled answer"):
        next(
            Focused(groups).losses(
                SimpleNamespace(config=SimpleNamespace(hidden_size=4)), [cut_row(whole_row(one), groups)]
            )
        )


def changed(row, **values):
    """A row of a pack with other values; documents as text."""
    values = {key: pa.array(value) if key == "documents" else value for key, value in values.items()}
    return dataclasses.replace(row, **values)


def test_the_first_pass_is_counted_without_the_head(groups):
    architecture = Architecture(**ARCHITECTURE)
    row = row_of(ROWS[0], 0, groups).whole
    work = row_work(architecture, row)
    counted = Focused.row_flops(architecture, row, FocusedSettings())
    assert counted == pytest.approx(4 * (work.linear + work.attention) + 3 * work.head)
    assert math.isfinite(counted)
