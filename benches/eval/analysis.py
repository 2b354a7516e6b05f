"""Memory and time of the information flow by length, beside the eager way that keeps attention and its gradient.

in : --shape and --device, the lengths, a cap on memory; --output STEM
out: a table on the terminal; with --output also STEM.md and STEM.json
run: make bench-analysis; for an 8B shape on a GPU
     python -m benches.eval.analysis --shape 8b --device cuda --dtype bfloat16 --recompute \
         --lengths 4096 8192 16384 32768 65536 131072 --output docs/benchmarks/analysis-gpu
Every measurement is a process of its own, so that its peak is its own. The weights are random: neither memory nor time
depends on them.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benches.train.machine import circumstances, load
from benches.train.report import Table, markdown, result_of, verdict, write_result
from eval.analysis.embedding_gradient import answer_loss, row_embeddings
from eval.analysis.information_flow import information_flow, query_positions
from eval.analysis.settings import InformationFlowSettings
from eval.benchmarks.hops.labelled_rows import IGNORED

SHAPES = {
    "tiny": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "small": {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 2, "num_attention_heads": 4},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
}
KEY_VALUE_HEADS = {"tiny": 2, "small": 2, "8b": 8}
ANSWER_TOKENS = 8
WAYS = {"Eq. 1": "predicting", "all queries": "all", "eager": "eager"}
GIBI = 2**30
DIES = "dies"
# What an allocator keeps is part of a process's peak; the square of the length would be 2.
MOST_POWER = 1.2


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.eval.analysis", description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small", help="the model's shape (default: small)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="precision of the model")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--cap", type=float, default=8.0, help="memory that a CPU process may take (GiB; default: 8)")
    parser.add_argument("--block", type=int, default=64, help="queries whose attention is computed at once")
    parser.add_argument("--recompute", action="store_true", help="compute layers again in the backward pass")
    parser.add_argument("--output", type=Path, help="write STEM.md and STEM.json")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "LENGTH"), help=argparse.SUPPRESS)
    return parser.parse_args(words)


def make_model(shape: str, device: str, dtype: str, length: int) -> LlamaForCausalLM:
    """A random model, frozen, made where it is to be."""
    config = LlamaConfig(
        **SHAPES[shape],
        vocab_size=1024,
        num_key_value_heads=KEY_VALUE_HEADS[shape],
        max_position_embeddings=length,
        rope_theta=500000.0,
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return model.eval().requires_grad_(False)


def make_row(length: int) -> dict:
    """Random tokens, the last ones labelled."""
    ids = torch.randint(1024, (length,), generator=torch.Generator().manual_seed(0)).tolist()
    return {"input_ids": ids, "labels": [IGNORED] * (length - ANSWER_TOKENS) + ids[-ANSWER_TOKENS:]}


def eager_flow(model: LlamaForCausalLM, row: dict) -> torch.Tensor:
    """Eq. 1 as it is read: attention of all layers and its gradient, kept."""
    model.set_attn_implementation("eager")
    kept: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.register_forward_hook(lambda module, inputs, output: kept.append(output[1]))
        for layer in model.model.layers
    ]
    embeddings = row_embeddings(model, row["input_ids"]).requires_grad_(True)
    gradients = torch.autograd.grad(answer_loss(model, embeddings, row["labels"]), kept)
    for hook in hooks:
        hook.remove()
    queries = query_positions(row["labels"], "predicting").to(model.device)
    flows = [(a[0] * g[0].abs())[:, queries].sum(1) for a, g in zip(kept, gradients, strict=True)]
    return torch.stack(flows).detach()


def measure_one(arguments: argparse.Namespace) -> dict:
    """{"GiB": peak above the loaded model, "s"} of one way at one length."""
    way, length = arguments.one[0], int(arguments.one[1])
    if arguments.device == "cpu":
        resource.setrlimit(resource.RLIMIT_AS, (int(arguments.cap * GIBI),) * 2)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    model, row = make_model(arguments.shape, arguments.device, arguments.dtype, length), make_row(length)
    options = InformationFlowSettings(
        queries="predicting" if way == "eager" else way, block=arguments.block, recompute=arguments.recompute
    )
    # What a first call allocates once (kernels, the library's own) is not the method's.
    information_flow(model, make_row(64), options)
    # Seconds of the process on a CPU, which others use too; a GPU's by the clock.
    clock = time.process_time if arguments.device == "cpu" else time.perf_counter
    before, started = held(arguments.device), clock()
    flow = eager_flow(model, row) if way == "eager" else information_flow(model, row, options)
    total = float(flow.sum())
    seconds = clock() - started
    return {"GiB": (peak(arguments.device) - before) / GIBI, "s": seconds, "flow": total}


def held(device: str) -> int:
    """Bytes in use now; from here on the peak is counted."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    return peak(device)


def peak(device: str) -> int:
    """The most bytes that were in use."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(arguments: argparse.Namespace, way: str, length: int) -> dict | None:
    """The same in a process of its own; None where its memory does not suffice."""
    words = [sys.executable, "-W", "ignore", "-m", "benches.eval.analysis", "--shape", arguments.shape]
    words += ["--device", arguments.device, "--dtype", arguments.dtype, "--cap", str(arguments.cap)]
    words += ["--block", str(arguments.block), *(["--recompute"] if arguments.recompute else [])]
    done = subprocess.run([*words, "--one", way, str(length)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if "memory" not in done.stderr.lower():
        raise RuntimeError(done.stderr[-2000:])
    return None


def flow_table(arguments: argparse.Namespace) -> Table:
    """A row for each length: GiB and seconds of every way."""
    rows: list[dict] = []
    dead: set[str] = set()
    for length in sorted(arguments.lengths):
        row: dict[str, object] = {"length (tokens)": length}
        found = {}
        for name, way in WAYS.items():
            found[name] = None if name in dead else measured(arguments, way, length)
            if found[name] is None:
                dead.add(name)
            row[f"{name}, GiB"] = found[name]["GiB"] if found[name] else DIES
            row[f"{name}, s"] = found[name]["s"] if found[name] else ""
        same = found["eager"] and abs(found["eager"]["flow"] / found["Eq. 1"]["flow"] - 1)
        row["same flow"] = "" if same is None else ("yes" if same < 1e-3 else f"differs by {same:.1e}")
        rows.append(row)
    shape = SHAPES[arguments.shape]
    notes = [
        f"{shape['num_hidden_layers']} layers, {shape['num_attention_heads']} heads with "
        f"{KEY_VALUE_HEADS[arguments.shape]} groups of keys, hidden size {shape['hidden_size']}, {arguments.dtype}"
        f"{', layers computed again in the backward pass' if arguments.recompute else ''}; random weights",
        f"an answer of {ANSWER_TOKENS} tokens at the end; blocks of {arguments.block} queries; peak memory above the "
        f"loaded model; seconds {'of the process' if arguments.device == 'cpu' else 'by the clock'}",
        "eager: transformers' eager attention, with the attention of every layer and its gradient kept; "
        + (f"a process may take {arguments.cap:g} GiB" if arguments.device == "cpu" else "until the GPU is full"),
        *growth(rows),
    ]
    return Table("Information flow (IG score) by length", rows, notes)


def growth(rows: list[dict]) -> list[str]:
    """The power of the length with which memory grows from the shortest to the longest: 1 is in proportion."""
    said = []
    for name in WAYS:
        sizes = [(row["length (tokens)"], row[f"{name}, GiB"]) for row in rows if row[f"{name}, GiB"] != DIES]
        if len(sizes) < 2 or sizes[0][1] <= 0:
            continue
        (first, less), (last, more) = sizes[0], sizes[-1]
        power = math.log(more / less) / math.log(last / first)
        words = f"{name}: memory grows as the length to the power of {power:.2f} from {first:,} to {last:,} tokens"
        target = "" if name == "eager" else f" (target: at most {MOST_POWER}): {verdict(power <= MOST_POWER)}"
        said.append(words + target)
    return said


def main(words: list[str]) -> None:
    """Measure, print, write."""
    arguments = parse(words)
    if arguments.one:
        print(json.dumps(measure_one(arguments)))
        return
    load_before = load()
    table = flow_table(arguments)
    result = result_of("What an analysis costs", circumstances(load_before, "benches.eval.analysis"), [table])
    sys.stdout.write(markdown(result))
    if arguments.output:
        write_result(result, arguments.output)


if __name__ == "__main__":
    main(sys.argv[1:])
