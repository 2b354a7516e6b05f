"""Measure the contenders on the same books, one after the other, in turns.

in : the corpus, tokenizer folders, rounds      out: of each contender the best: seconds, CPU seconds, peak memory
The best of several rounds is taken, because a busy machine only ever makes a round slower.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}


def measure(name: str, corpus: Path, tokenizer: Path) -> dict:
    """One run of a contender in a fresh process: {tokens, seconds, cpu_seconds, peak_megabytes} or {failed}."""
    with tempfile.TemporaryDirectory(dir=corpus.parent) as output:
        command = [sys.executable, "-m", "benches.data.contenders", name, str(corpus), str(tokenizer), output]
        # A process in between, so that the peak and the CPU time are of this contender and its children alone.
        wrapper = (
            "import json, resource, subprocess, sys, time; start = time.perf_counter();"
            "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); wall = time.perf_counter() - start;"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
            "print(json.dumps([done.returncode, done.stdout, done.stderr[-2000:], wall, used.ru_utime + used.ru_stime,"
            " used.ru_maxrss]))"
        )
        environment = os.environ | ENVIRONMENT | {"HF_HOME": output}
        told = subprocess.run(
            [sys.executable, "-c", wrapper, *command],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    code, out, error, seconds, cpu, peak = json.loads(told.stdout)
    if code:
        return {"failed": error.strip().splitlines()[-1] if error.strip() else f"exit code {code}"}
    tokens = json.loads(out.splitlines()[-1])["tokens"]
    return {"tokens": tokens, "seconds": seconds, "cpu_seconds": cpu, "peak_megabytes": peak / 1024}


def best_of(names: list[str], corpus: Path, tokenizer: Path, rounds: int) -> dict[str, dict]:
    """{contender: the least of each figure over the rounds}; the contenders take turns."""
    best: dict[str, dict] = {}
    for _ in range(rounds):
        for name in names:
            if "failed" in best.get(name, {}):
                continue
            new, old = measure(name, corpus, tokenizer), best.get(name)
            best[name] = new if old is None or "failed" in new else {key: min(old[key], new[key]) for key in new}
            print(f"  {name}: {new}", file=sys.stderr)
    return best


def peak_of_this_process() -> float:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(function: object, *arguments: object) -> tuple[float, object]:
    """(seconds, result)"""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result
