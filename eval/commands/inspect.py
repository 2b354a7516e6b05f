"""Show what a model's answer to a question about a text rests on, as one self-contained page.

in : a model folder; a text file; a question and its right answer
out: a page that shows the text with its tokens coloured by any of the instruments, the threshold as a slider, what
     denoising does to the answer's loss, and the model's own answer; it fetches nothing
invariant: texts and names are data; none of them becomes a part of the page's markup or script.
run: python -m eval inspect --model resources/base --text book.txt --question "Where is the lamp?" --answer "attic" \
     --output page.html
"""

import argparse
from pathlib import Path

import torch

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.tokenizer import load_tokenizer
from eval.analysis.instruments import INSTRUMENTS
from eval.backends.model_files import claimed_window, model_name
from eval.backends.models import choose_device, load_model
from eval.building.context import BuildContext
from eval.inspector.inspecting import fitting_row, inspected
from eval.inspector.page import page
from eval.settings import EvalSettings

DEFAULT = ("embedding_gradient", "information_flow", "attention")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face model folder, with its tokenizer")
    parser.add_argument("--text", required=True, help="text file (UTF-8) that the question is about")
    parser.add_argument("--question", required=True, help="the question; `Answer:` is added behind it")
    parser.add_argument("--answer", required=True, help="its right answer")
    parser.add_argument(
        "--instruments",
        nargs="+",
        choices=tuple(INSTRUMENTS),
        default=list(DEFAULT),
        metavar="NAME",
        help=f"instruments to switch between, of {', '.join(INSTRUMENTS)} (default: {', '.join(DEFAULT)})",
    )
    parser.add_argument("--cut", action="store_true", help="keep the beginning of a text that is too long")
    parser.add_argument(
        "--chat-template", help="put the text into this chat template: a Jinja file, or `tokenizer` for the model's own"
    )
    parser.add_argument("--bos", action="store_true", help="start the text with the tokenizer's BOS token")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float64"), default="float32", help="precision of the model"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--output", required=True, help="page to write, e.g. page.html")


def run(arguments: argparse.Namespace) -> None:
    """Read, measure, write."""
    if Path(arguments.output).suffix != ".html":
        raise InputError(f"--output {arguments.output}: must end in .html")
    text = read_text(arguments.text)
    for name in ("question", "answer"):
        if not getattr(arguments, name).strip():
            raise InputError(f"--{name} is empty; give the {name}")
    window = claimed_window(arguments.model)
    tokenizer = load_tokenizer(arguments.model)
    row = fitting_row(
        context_of(arguments, tokenizer), text, arguments.question, arguments.answer, window, arguments.cut
    )
    model = load_model(arguments.model, choose_device(arguments.device), getattr(torch, arguments.dtype))
    facts = {
        "model": model_name(arguments.model),
        "source": Path(arguments.text).name,
        "question": arguments.question.strip(),
        "answer": arguments.answer.strip(),
        "window": window,
    }
    names = list(dict.fromkeys(arguments.instruments))
    atomic_text(arguments.output, page({**facts, **inspected(model, tokenizer, row, names)}))


def read_text(path: str) -> str:
    """The text without white space around it, line ends as LF; InputError where it is empty or no text."""
    file = existing_file(path, "give a text file")
    try:
        text = file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from None
    if not text:
        raise InputError(f"{path}: the text is empty; give one that the question is about")
    return text


def context_of(arguments: argparse.Namespace, tokenizer) -> BuildContext:
    """What writes the row, as it writes those of hops."""
    settings = EvalSettings(begin_with_bos=arguments.bos, chat_template=arguments.chat_template)
    return BuildContext("hops", "inspect", 0, tokenizer, settings, tokenizer_path=arguments.model)
