"""The vLLM backend, in front of a stand-in for the vllm package that answers with transformers: what is handed to the
engine and what is made of its output is tested, vLLM itself is not."""

import importlib.machinery
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

from contracts.errors import InputError
from eval.backends import transformers_backend, vllm_backend
from eval.backends.request import Request
from eval.backends.settings import GenerationSettings

SETTINGS = GenerationSettings(backend="vllm", cross_check=3, batch_rows=4)


@dataclass(frozen=True)
class SamplingParams:
    temperature: float
    max_tokens: int
    seed: int
    min_tokens: int = 0
    stop_token_ids: list = field(default_factory=list)
    detokenize: bool = True
    prompt_logprobs: int | None = None


class StandIn:
    """The part of vllm.LLM that is used; `wrong` makes its answers end one token early."""

    calls: list
    wrong = False

    def __init__(self, model: str, **options) -> None:
        self.options = options
        self.calls = []
        self.model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)

    def generate(self, prompts, parameters, use_tqdm):
        self.calls.append(len(prompts))
        given = parameters if isinstance(parameters, list) else [parameters] * len(prompts)
        return [self.answer(prompt["prompt_token_ids"], one) for prompt, one in zip(prompts, given, strict=True)]

    def answer(self, ids: list[int], given: SamplingParams):
        row = torch.tensor([ids])
        tokens = self.model.generate(
            row,
            max_new_tokens=given.max_tokens,
            min_new_tokens=given.min_tokens,
            do_sample=False,
            eos_token_id=given.stop_token_ids or None,
            pad_token_id=0,
        )[0, len(ids) :].tolist()
        with torch.no_grad():
            chances = self.model(row).logits[0].log_softmax(-1)
        logprobs = [None] + [
            {token: SimpleNamespace(logprob=chances[place, token].item()), 0: SimpleNamespace(logprob=-1.0)}
            for place, token in enumerate(ids[1:])
        ]
        return SimpleNamespace(
            outputs=[SimpleNamespace(token_ids=tokens[: -1 if self.wrong else None])], prompt_logprobs=logprobs
        )


@pytest.fixture
def vllm(monkeypatch):
    """The stand-in, installed under vllm's name."""
    module = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.LLM, module.SamplingParams = StandIn, SamplingParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setattr(StandIn, "wrong", False)
    return module


def asked() -> list[Request]:
    source = torch.Generator().manual_seed(0)
    rows = [torch.randint(3, 512, (length,), generator=source).tolist() for length in (5, 30, 30, 12, 7)]
    return [Request(ids, 10) for ids in rows]


def test_its_answers_are_those_of_transformers_and_the_first_ones_say_so(vllm, model_folder, tokenizer):
    backend = vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    expected = transformers_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    found = list(backend.answers(asked()))
    assert [answer.text for answer in found] == [answer.text for answer in expected.answers(asked())]
    assert [answer.same_as_transformers for answer in found] == [True, True, True, None, None]
    assert backend.engine.options["seed"] == 0
    assert backend.engine.options["skip_tokenizer_init"]


def test_an_answer_that_differs_is_reported(vllm, model_folder, tokenizer, monkeypatch):
    monkeypatch.setattr(StandIn, "wrong", True)
    backend = vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    assert [answer.same_as_transformers for answer in backend.answers(asked())][:3] == [False] * 3


def test_stop_strings_and_least_lengths_give_the_same_answers_too(vllm, model_folder, tokenizer):
    backend = vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    plain = next(backend.answers(asked()[:1]))
    for stop, least in ((plain.text[3:5], 0), (plain.text[:1], 0), (plain.text[:1], 3)):
        requests = [Request(request.input_ids, 10, least, (stop,)) for request in asked()]
        expected = transformers_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
        found = [(answer.text, answer.tokens) for answer in backend.answers(requests)]
        assert found == [(answer.text, answer.tokens) for answer in expected.answers(requests)]


def test_the_engine_gets_requests_in_groups(vllm, model_folder, tokenizer, monkeypatch):
    monkeypatch.setattr(vllm_backend, "GROUP", 2)
    settings = SETTINGS.model_copy(update={"cross_check": 0})
    backend = vllm_backend.open_backend(str(model_folder), tokenizer, settings, device="cpu")
    assert backend.reference is None
    assert len(list(backend.answers(asked()))) == 5
    assert backend.engine.calls == [2, 2, 1]


def test_losses_are_those_of_transformers(vllm, model_folder, tokenizer):
    backend = vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    expected = transformers_backend.open_backend(str(model_folder), tokenizer, SETTINGS, device="cpu")
    ids = asked()[1].input_ids
    assert backend.losses(ids)[0] == pytest.approx(expected.losses(ids)[0], rel=1e-4, abs=1e-5)


def test_methods_with_their_own_attention_are_refused(vllm, model_folder, tokenizer):
    with pytest.raises(InputError, match="with transformers"):
        vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS, "xattention")


def test_where_vllm_is_not_installed_the_cure_is_told(model_folder, tokenizer, monkeypatch):
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"generation\.backend to transformers"):
        vllm_backend.open_backend(str(model_folder), tokenizer, SETTINGS)
