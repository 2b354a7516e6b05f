"""Answers from vLLM, where it is installed beside this environment (it is no dependency of this project).

in : as the transformers backend; the first prompts of a cell are answered by transformers too, as a check
out: losses of rows, answers to prompts (see eval.backends.request)
invariants: greedy, a fixed seed; prompts go in and answers come out as tokens, so the texts are made by this project's
tokenizer alone; requests go to the engine in groups, so that a stopped run loses at most one group.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.backends.model_files import end_tokens
from eval.backends.request import Answer, Backend, Request, early_ends, stopped_answer
from eval.backends.settings import SEED, GenerationSettings
from eval.backends.transformers_backend import open_backend as open_transformers
from eval.inference.methods import SPARSE
from eval.inference.settings import InferenceName, InferenceSettings

# Requests that the engine gets at once: enough to fill its batches.
GROUP = 256


@dataclass(frozen=True)
class VllmBackend:
    """A model that vLLM runs; `reference` is the same model under transformers, None where nothing is checked."""

    vllm: ModuleType
    engine: object
    tokenizer: Tokenizer
    settings: GenerationSettings
    ends: frozenset[int]
    reference: Backend | None

    def losses(self, input_ids: list[int]) -> tuple[list[float], None]:
        """Loss (nats) of every token but the first."""
        parameters = self.vllm.SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=1, seed=SEED)
        (output,) = self.engine.generate([{"prompt_token_ids": input_ids}], parameters, use_tqdm=False)
        chances = output.prompt_logprobs[1:]
        return [-chance[token].logprob for chance, token in zip(chances, input_ids[1:], strict=True)], None

    def answers(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """One greedy answer for each request; the first ones say whether transformers answers the same."""
        checked = requests[: self.settings.cross_check] if self.reference else []
        expected = [answer.text for answer in self.reference.answers(checked)] if checked else []
        for start in range(0, len(requests), GROUP):
            group = requests[start : start + GROUP]
            prompts = [{"prompt_token_ids": request.input_ids} for request in group]
            outputs = self.engine.generate(prompts, [self.parameters(request) for request in group], use_tqdm=False)
            for index, (request, output) in enumerate(zip(group, outputs, strict=True), start=start):
                tokens = [token for token in output.outputs[0].token_ids if token not in self.ends]
                answer = stopped_answer(self.tokenizer, tokens, request.stop)
                same = answer.text == expected[index] if index < len(expected) else None
                yield replace(answer, same_as_transformers=same)

    def parameters(self, request: Request) -> object:
        """vLLM's parameters of one request; it ends at tokens only, stop strings are looked for afterwards."""
        return self.vllm.SamplingParams(
            temperature=0,
            max_tokens=request.most,
            min_tokens=request.least,
            stop_token_ids=sorted(self.ends.union(early_ends(self.tokenizer, request))),
            seed=SEED,
            detokenize=False,
        )


def installed_vllm() -> ModuleType:
    """The vllm package; InputError where it is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise InputError(
            "generation.backend vllm: vllm is not installed here; install it beside this environment, or set "
            "generation.backend to transformers"
        )
    return import_module("vllm")


def open_backend(
    folder: str,
    tokenizer: Tokenizer,
    settings: GenerationSettings,
    inference: InferenceName = "dense",
    options: InferenceSettings | None = None,
    device: str = "auto",
) -> VllmBackend:
    """Start the engine; InputError without vllm, and for methods that need their own attention."""
    vllm = installed_vllm()
    if inference in SPARSE:
        raise InputError(f"generation.backend vllm computes its own attention; answer {inference} with transformers")
    reference = None
    if settings.cross_check:
        reference = open_transformers(folder, tokenizer, settings, inference, options, device)
    engine = vllm.LLM(
        model=folder,
        dtype=settings.dtype,
        seed=SEED,
        skip_tokenizer_init=True,
        gpu_memory_utilization=settings.vllm_memory,
    )
    return VllmBackend(vllm, engine, tokenizer, settings, frozenset(end_tokens(folder)), reference)
