"""A real run of the whole workflow, tiny: the commands of the real rules, on four short books.

Snakemake plans it (a dry run prints every job's command line), and a server of forks runs the commands, because a
Python that imports torch anew for each of the jobs would take minutes. Records, logs and folders are as in any run.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
BOOKS = {"train/1": ("train/976", 30_000), "train/2": ("train/103", 30_000)}
BOOKS |= {"validation/3": ("validation/356", 12_000), "test/4": ("test/860", 60_000)}
NAME = "tiny"
ROOT = f"results/{NAME}"
CONFIGURATION = {
    "run": NAME,
    "corpus": {"path": "books"},
    "tokenizer": {"vocab_size": 512},
    "pack": {"length": 128, "alignment": 4},
    "model": {
        "architecture": {
            "hidden_size": 64,
            "num_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "ffn_hidden_size": 96,
            "max_position_embeddings": 384,
        }
    },
    "train": {
        "methods": ["ce", "cdt"],
        "steps": 10,
        "global_batch_rows": 1,
        "learning_rate": 4.0e-3,
        "warmup_steps": 2,
        "checkpoint_interval": 5,
        "validation_interval": 5,
    },
    "eval": {
        "lengths": [384],
        "benchmarks": {
            "perplexity": {"tasks": ["books"], "samples": 2},
            "ruler": {"tasks": ["niah_single_1"], "samples": 2, "niah_single_1": {"tokens_to_generate": 4}},
            "hops": {"tasks": ["3hop"], "samples": 2, "slots": 5, "sentence_tokens_min": 4, "sentence_tokens_max": 24},
        },
    },
}


class CommandServer:
    """A process that runs commands in forks of itself."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(Path(__file__).with_name("command_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )

    def run(self, folder: Path, arguments: list[str], stdout: Path, stderr: Path, **environment: str) -> list[int]:
        """Exit codes of `python -m ...` in a folder, as many processes as --settings has in its layout."""
        for file in (stdout, stderr):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
        environment = {"MEGATRON_CDT_RECORDS": f"{ROOT}/records"} | environment
        environments = [environment | ranked for ranked in ranks(processes_of(arguments))]
        asked = {"arguments": arguments, "environments": environments, "folder": str(folder)}
        asked |= {"stdout": str(stdout), "stderr": str(stderr)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait(timeout=60)


def processes_of(arguments: list[str]) -> int:
    """How many processes a training's settings ask for; one for every other command."""
    if arguments[:2] != ["megatron_cdt", "train"]:
        return 1
    return json.loads(arguments[arguments.index("--settings") + 1])["layout"]["processes"]


def ranks(count: int) -> list[dict[str, str]]:
    """The variables that a launcher sets; none for a process alone."""
    if count == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def prepare(folder: Path) -> None:
    """A working folder with the books and the configuration."""
    for name, (book, characters) in BOOKS.items():
        target = folder / "books" / f"{name}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / "resources/pg19" / f"{book}.txt").read_bytes()[:characters])
    (folder / "tiny.yaml").write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")


def plan(folder: Path, *targets: str) -> list[list[str]]:
    """The command lines of every job of the workflow in their order, as Snakemake prints them."""
    snakemake = [sys.executable, "-m", "snakemake", "-n", "--printshellcmds", "--directory", str(folder)]
    snakemake += [
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--configfile",
        str(folder / "tiny.yaml"),
        "--",
        *targets,
    ]
    printed = subprocess.run(snakemake, capture_output=True, text=True, timeout=300, check=False)
    text = printed.stdout + printed.stderr
    assert printed.returncode == 0, text
    return [shlex.split(line) for line in re.findall(r"^Shell command: (.*python -m .*)$", text, flags=re.MULTILINE)]


def run_commands(server: CommandServer, folder: Path, commands: list[list[str]], **environment: str) -> None:
    """Run every command to its end; each is `python -m program ... > log 2>&1`, or `... > output 2> log`."""
    for words in commands:
        end = words.index(">")
        log = folder / words[-1 if words[-2] == "2>" else end + 1]
        codes = server.run(folder, words[2:end], folder / words[end + 1], log, **environment)
        assert set(codes) <= {0}, f"{shlex.join(words)}: {codes}\n{log.read_text()}"


def make_audit(folder: Path, words: list[str], **environment: str) -> None:
    """Run the command of the rule `audit`, as a shell of its own, as Snakemake does."""
    end = words.index(">")
    command = ["env", *words[:1], sys.executable, *words[2:end]]
    environment = {"PYTHONPATH": str(REPOSITORY), "MEGATRON_CDT_COMMAND_LINE": "snakemake audit"} | environment
    made = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr


def with_option(words: list[str], name: str, value: str) -> list[str]:
    """A command line with another value for one of its options."""
    place = words.index(name) + 1
    return [*words[:place], value, *words[place + 1 :]]
