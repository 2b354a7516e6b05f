"""Scores that a judge gives: narrativeqa's answers, and the summaries of books and lawsuits.

The published numbers are those of gpt-4o-2024-05-13 with the wording in prompts/judge.json. The judge here is the model
folder under `judge` in the facts, asked in the same words, or an offline stand-in; its name is in the metrics and the
headline, so in every table. A judge gives None where its verdict cannot be read; such samples count for nothing.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.benchmarks.helmet.outputs import answers_of, field_of, optional_field, output_of, parsed, scored, token_f1
from eval.benchmarks.helmet.tasks import TASKS
from eval.scoring.scored import Scored


class Judge(Protocol):
    """`name` goes into every table beside the numbers that it gave (0 to 1)."""

    name: str

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """Fluency (0, 1) times correctness (0 to 3), over 3."""

    def summary_f1(self, kind: str, reference: str, key_points: list[str] | None, given: str) -> float | None:
        """Fluency (0, 1) times the F1 of key points found and sentences supported; `kind` is book or lawsuit."""


class TokenF1Judge:
    """The stand-in: compares bags of words, judges nothing."""

    name = "stand-in (token F1)"

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """The best token F1 against the answers."""
        return max(token_f1(given, answer) for answer in answers)

    def summary_f1(self, kind: str, reference: str, key_points: list[str] | None, given: str) -> float | None:
        """Token F1 against the experts' summary."""
        return token_f1(given, reference)


def load_judge(folder: str | None) -> Judge:
    """The model in `folder` as a judge, or the stand-in where there is none."""
    if folder is None:
        return TokenF1Judge()
    return load_model_judge(folder)


WORDING = Path(__file__).with_name("prompts") / "judge.json"
BEST_CORRECTNESS = 3
ANSWER_TOKENS, SUMMARY_TOKENS = 2048, 4096

# What the judge writes on a prompt with at most so many tokens.
Writer = Callable[[str, int], str]


@cache
def wording() -> dict:
    """{"answer": text, "book"|"lawsuit": {"fluency", "recall", "precision"}}, as published."""
    return json.loads(WORDING.read_text(encoding="utf-8"))


def verdict(text: str, *keys: str) -> dict | None:
    """The last {...} of the text that is JSON with numbers under `keys`."""
    for candidate in reversed(re.findall(r"\{.*?\}", text, re.DOTALL)):
        try:
            values = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        if all(isinstance(values.get(key), (int, float)) for key in keys):
            return values
    return None


@dataclass(frozen=True)
class ModelJudge:
    """Asks `write` for verdicts (a Judge)."""

    name: str
    write: Writer

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """Fluency times correctness, over the best correctness."""
        prompt = wording()["answer"].format(question=question, correct_answers=answers, parsed_output=given)
        grades = verdict(self.write(prompt, ANSWER_TOKENS), "fluency", "correctness")
        return None if grades is None else grades["fluency"] * grades["correctness"] / BEST_CORRECTNESS

    def summary_f1(self, kind: str, reference: str, key_points: list[str] | None, given: str) -> float | None:
        """Fluency times the F1 of recall of key points and precision of sentences."""
        if key_points is None:
            raise InputError("a judge of summaries needs HELMET's key points; put its keypoints files into the data")
        words, listed = wording()[kind], "\n".join(f"{n}. {point}" for n, point in enumerate(key_points, start=1))
        fluent = verdict(self.write(words["fluency"].format(text=given), SUMMARY_TOKENS), "fluency")
        recalled = verdict(
            self.write(words["recall"].format(keypoints=listed, summary=given), SUMMARY_TOKENS), "recall"
        )
        precise = verdict(
            self.write(words["precision"].format(expert_summary=reference, summary=given), SUMMARY_TOKENS),
            "precision",
            "sentence_count",
        )
        if fluent is None or recalled is None or precise is None:
            return None
        recall = recalled["recall"] / len(key_points) if key_points else 0.0
        precision = precise["precision"] / precise["sentence_count"] if precise["sentence_count"] > 0 else 0.0
        return fluent["fluency"] * 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def load_model_judge(folder: str) -> ModelJudge:
    """The judge in a model folder, greedy; InputError where it is no causal model with a tokenizer."""
    path = existing_folder(folder, "give --judge a Hugging Face model folder, or leave it out")
    # Transformers takes seconds to import, and the stand-in needs none of it.
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype="auto").eval()
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be loaded as a judge ({str(error).splitlines()[0]})") from None

    def write(prompt: str, most: int) -> str:
        chat = [{"role": "user", "content": prompt}]
        if tokenizer.chat_template:
            inputs = tokenizer.apply_chat_template(
                chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            inputs = tokenizer(prompt, return_tensors="pt")
        inputs = inputs.to(model.device)
        written = model.generate(**inputs, max_new_tokens=most, do_sample=False)
        return tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    return ModelJudge(f"model {Path(folder).resolve().name}", write)


KINDS = {"infbench_sum": "book", "multi_lexsum": "lawsuit"}


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """The mean of the judge's verdicts; samples without one count for nothing."""
    judge = load_judge(facts.get("judge"))
    (name,) = TASKS[task].metrics
    values = [{name: judged(task, row, judge)} for row in rows]
    return scored(values, (name,), rows, {"judge": judge.name})


def judged(task: str, row: dict, judge: Judge) -> float | None:
    """The verdict on one output, 0 to 1."""
    output = output_of(row)
    if task == "narrativeqa":
        return judge.answer_quality(field_of(row, "question"), answers_of(row), parsed(output.replace("\n", " ")))
    reference = optional_field(row, "reference") or answers_of(row)[0]
    return judge.summary_f1(KINDS[task], reference, optional_field(row, "keypoints"), output.strip())
