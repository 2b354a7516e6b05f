"""A local causal model as the judge, asked in HELMET's words (prompts/judge.json).

in : a Hugging Face folder of an instruction-tuned model
out: the verdicts that it writes as JSON at the end of its reasoning; None where it writes none
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from contracts.errors import InputError
from contracts.files import existing_folder
from eval.benchmarks.helmet.sampling import PROMPTS

BEST_CORRECTNESS = 3
ANSWER_TOKENS, SUMMARY_TOKENS = 2048, 4096

# What the judge writes on a prompt with at most so many tokens.
Writer = Callable[[str, int], str]


@cache
def wording() -> dict:
    """{"answer": text, "book"|"lawsuit": {"fluency", "recall", "precision"}}, as published."""
    return json.loads((PROMPTS / "judge.json").read_text(encoding="utf-8"))


def verdict(text: str, *keys: str) -> dict | None:
    """The last {...} of the text that is JSON with numbers under `keys`."""
    for found in reversed(re.findall(r"\{.*?\}", text, re.DOTALL)):
        try:
            values = json.loads(found)
        except json.JSONDecodeError:
            continue
        if all(isinstance(values.get(key), (int, float)) for key in keys):
            return values
    return None


@dataclass(frozen=True)
class ModelJudge:
    """Asks `write` for verdicts (see eval.benchmarks.helmet.judges.Judge)."""

    name: str
    write: Writer

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """Fluency times correctness, over the best correctness."""
        prompt = wording()["answer"].format(question=question, correct_answers=answers, parsed_output=given)
        found = verdict(self.write(prompt, ANSWER_TOKENS), "fluency", "correctness")
        return None if found is None else found["fluency"] * found["correctness"] / BEST_CORRECTNESS

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
