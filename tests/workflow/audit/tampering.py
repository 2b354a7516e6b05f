"""Ways to tamper with a finished run: each changes one thing in a seeded place and names what it changed.

A tamperer gets the working folder, a copy of the repository's code and a random generator, and returns the path that
`verify` has to name. Files are links to those of other tests: a change puts a new file in place of the old one, with
the old one's times, so that size and time give nothing away where the change itself does not.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from contracts.code_reach import code_facts
from tests.workflow.audit.tiny_run import ROOT

Tamperer = Callable[[Path, Path, random.Random], str]


def put(path: Path, content: bytes) -> None:
    """Other content under the same name and times."""
    times = path.stat() if path.exists() else None
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    if times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def chosen(work: Path, chance: random.Random, *patterns: str) -> Path:
    """A file of the run that fits one of the patterns and is not empty."""
    files = {file for pattern in patterns for file in (work / ROOT).glob(pattern) if file.is_file()}
    return chance.choice(sorted(file for file in files if file.stat().st_size))


def named(work: Path, path: Path) -> str:
    """A path as `verify` names it."""
    return path.relative_to(work / ROOT).as_posix()


def flip_bit(*patterns: str) -> Tamperer:
    """One bit of a binary file; its size and times stay."""

    def tamper(work: Path, code: Path, chance: random.Random) -> str:
        path = chosen(work, chance, *patterns)
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        put(path, bytes(content))
        return named(work, path)

    return tamper


def edit_json(change: Callable[[dict, random.Random], None], *patterns: str) -> Tamperer:
    """A JSON file whose value is changed."""

    def tamper(work: Path, code: Path, chance: random.Random) -> str:
        path = chosen(work, chance, *patterns)
        value = json.loads(path.read_text())
        change(value, chance)
        put(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
        return named(work, path)

    return tamper


def edit_lines(change: Callable[[list[str], random.Random], list[str]], *patterns: str) -> Tamperer:
    """A text file whose lines are changed."""

    def tamper(work: Path, code: Path, chance: random.Random) -> str:
        path = chosen(work, chance, *patterns)
        lines = change(path.read_text().splitlines(keepends=True), chance)
        put(path, "".join(lines).encode())
        return named(work, path)

    return tamper


def without_one(lines: list[str], chance: random.Random) -> list[str]:
    """One line less."""
    place = chance.randrange(len(lines))
    return lines[:place] + lines[place + 1 :]


def two_swapped(lines: list[str], chance: random.Random) -> list[str]:
    """The last two lines in the other order."""
    return [*lines[:-2], lines[-1], lines[-2]]


def better_loss(lines: list[str], chance: random.Random) -> list[str]:
    """A step whose loss is a little lower."""
    place = chance.randrange(len(lines))
    line = json.loads(lines[place])
    line[next(key for key in line if "loss" in key)] -= 1e-9
    return [*lines[:place], json.dumps(line) + "\n", *lines[place + 1 :]]


def cut_short(lines: list[str], chance: random.Random) -> list[str]:
    """Only the beginning."""
    return lines[: chance.randrange(len(lines))]


def better_score(score: dict, chance: random.Random) -> None:
    """A metric that is higher."""
    metric = chance.choice(sorted(key for key, value in score["metrics"].items() if isinstance(value, float)))
    score["metrics"][metric] += 0.25


def one_more_token(manifest: dict, chance: random.Random) -> None:
    """A count of tokens that is one too high."""
    counts = manifest["counts"]["tokens"]
    counts[chance.choice(["in", "out"])] += 1


def other_setting(manifest: dict, chance: random.Random) -> None:
    """A setting that is a number, or a switch, has another value."""
    simple = sorted(key for key, value in manifest["settings"].items() if isinstance(value, int | float))
    key = chance.choice(simple)
    manifest["settings"][key] = manifest["settings"][key] + 1


def other_roots(facts: dict, chance: random.Random) -> None:
    """Code that is said to begin elsewhere; of a score the facts lie among its hashes."""
    facts = facts.get("hashes", facts)
    facts["code_roots"] = [chance.choice(["contracts.errors", "contracts.files", "eval.gone"])]


def other_code(facts: dict, chance: random.Random) -> None:
    """Another hash of the code."""
    facts.get("hashes", facts)["code_sha256"] = f"{chance.getrandbits(256):064x}"


def other_roots_with_their_hash(facts: dict, chance: random.Random) -> None:
    """Roots of another command, and their own right hash."""
    facts.get("hashes", facts).update(code_facts("data_prep.commands.fetch"))


def in_header(change: Callable[[dict, random.Random], None]) -> Callable[[list[str], random.Random], list[str]]:
    """The change, made in the header of predictions."""

    def changed(lines: list[str], chance: random.Random) -> list[str]:
        header = json.loads(lines[0])
        change(header, chance)
        return [json.dumps(header, sort_keys=True) + "\n", *lines[1:]]

    return changed


def other_seed(settings: dict, chance: random.Random) -> None:
    """Another seed."""
    settings["seed"] = chance.randrange(10_000)


def other_loss(done: dict, chance: random.Random) -> None:
    """A better loss at the end."""
    done["loss"] -= 0.1


def other_start(fingerprint: dict, chance: random.Random) -> None:
    """Other base weights."""
    fingerprint["start"] = "0" * 64


def other_host(record: dict, chance: random.Random) -> None:
    """A job that ran somewhere else."""
    record["host"] = "elsewhere"


def other_configuration(facts: dict, chance: random.Random) -> None:
    """A configuration that was not this run's."""
    facts["settings"]["train"]["learning_rate"] = 1.0


def swap_vocabulary(work: Path, code: Path, chance: random.Random) -> str:
    """A tokenizer in which two tokens have each other's ids."""
    path = chosen(work, chance, "tokenizer/tokenizer.json", "models/*/tokenizer.json")
    value = json.loads(path.read_text())
    vocabulary = value["model"]["vocab"]
    one, other = chance.sample(sorted(vocabulary), 2)
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    put(path, json.dumps(value).encode())
    return named(work, path)


def rename_checkpoint(work: Path, code: Path, chance: random.Random) -> str:
    """A checkpoint under the number of another step."""
    path = chance.choice(sorted((work / ROOT).glob("train/*/*/checkpoints/step-*")))
    new = path.with_name(f"step-{chance.randrange(20, 99):08d}")
    path.rename(new)
    return named(work, new)


def exchange_checkpoints(work: Path, code: Path, chance: random.Random) -> str:
    """The checkpoints of two steps in each other's place."""
    one, other = sorted(chance.choice(sorted((work / ROOT).glob("train/*/*/checkpoints"))).glob("step-*"))
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return named(work, one)


def add_file(work: Path, code: Path, chance: random.Random) -> str:
    """A file that no stage made."""
    folder = chosen(work, chance, "packs/*/*", "models/*/*", "samples/*/*/*", "train/*/*/*").parent
    path = folder / chance.choice(["pack-00001.arrow", "notes.txt", "extra.jsonl"])
    path.write_bytes(chance.randbytes(40))
    return named(work, path)


def remove_file(work: Path, code: Path, chance: random.Random) -> str:
    """A file that is gone."""
    path = chosen(
        work, chance, "packs/*/*.arrow", "models/*/config.json", "eval/**/score.json", "logs/**/*", "records/*/*"
    )
    path.unlink()
    return named(work, path)


def change_code(*patterns: str) -> Tamperer:
    """One more line in a source file of the repository, one that does something."""

    def tamper(work: Path, code: Path, chance: random.Random) -> str:
        path = chance.choice(sorted(file for pattern in patterns for file in code.glob(pattern)))
        put(path, path.read_bytes() + (b"[].append(1)\n" if path.suffix == ".py" else b"# one more line\n"))
        return path.relative_to(code).as_posix()

    return tamper


def change_book(work: Path, code: Path, chance: random.Random) -> str:
    """Another word in a book that the run has read."""
    path = chance.choice(sorted((work / "books").rglob("*.txt")))
    put(path, path.read_bytes().replace(b"the", b"teh", 1))
    return path.relative_to(work).as_posix()


def change_configuration(work: Path, code: Path, chance: random.Random) -> str:
    """Another number in the configuration file."""
    path = work / "tiny.yaml"
    put(path, path.read_bytes().replace(b"steps: 10", b"steps: 11"))
    return "tiny.yaml"


def edit_sums(work: Path, code: Path, chance: random.Random) -> str:
    """A line of SHA256SUMS with another hash."""
    path = work / ROOT / "audit/SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    place = chance.randrange(len(lines))
    name = lines[place].split("  ")[1].strip()
    put(path, "".join([*lines[:place], "0" * 64 + lines[place][64:], *lines[place + 1 :]]).encode())
    return name.removeprefix("../") if name.startswith("../") else f"audit/{name}"


def exchange_models(work: Path, code: Path, chance: random.Random) -> str:
    """The weights of two models in each other's place."""
    one, other = (work / ROOT / f"models/{name}/model.safetensors" for name in ("ce", "cdt"))
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    return named(work, one)


def copy_predictions(work: Path, code: Path, chance: random.Random) -> str:
    """One model's predictions in the place of another's."""
    path = chosen(work, chance, "eval/cdt/**/predictions.jsonl")
    shutil.copy2(str(path).replace("/eval/cdt/", "/eval/ce/"), source := path.with_name("aside"))
    put(path, source.read_bytes())
    source.unlink()
    return named(work, path)


CODED = ("*/*/manifest.json", "tokenizer/manifest.json", "samples/**/*.manifest.json", "eval/**/score.json")
ANSWERED = "eval/*/*/ruler/**/predictions.jsonl"


def link_out(work: Path, code: Path, chance: random.Random) -> str:
    """A file of the run that is moved out of it, and a link to it in its place: the same bytes."""
    path = chosen(work, chance, "packs/*/*.arrow", "models/*/config.json", "train/*/*/timing.jsonl", "logs/**/*.log")
    outside = work / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    return named(work, path)


def link_folder_out(work: Path, code: Path, chance: random.Random) -> str:
    """A folder of the run that is moved out of it, and a link in its place."""
    path = chance.choice(sorted((work / ROOT).glob("models/*")))
    path.rename(work / "outside")
    path.symlink_to(work / "outside")
    return named(work, path)


def link_to_nothing(work: Path, code: Path, chance: random.Random) -> str:
    """A link that leads nowhere yet."""
    path = work / ROOT / "logs/later.log"
    path.symlink_to("not-there")
    return named(work, path)


def other_second_name(work: Path, code: Path, chance: random.Random) -> str:
    """The kept name of predictions with other answers than its first name."""
    path = chosen(work, chance, "eval/**/predictions.jsonl.kept")
    put(path, path.read_bytes().replace(b'"id"', b'"id" ', 1))
    return named(work, path)


# What stands in the second half is found by the hashes alone; what stands in the first also by what else knows it.
CHAINED: dict[str, Tamperer] = {
    "a flipped bit in a shard": flip_bit("tokens/*/*.arrow", "packs/*/*.arrow"),
    "a flipped bit in a model": flip_bit("models/*/*.safetensors"),
    "a flipped bit in a checkpoint": flip_bit("train/*/*/checkpoints/*/*.distcp"),
    "a flipped bit in the base weights": flip_bit("start/*.distcp"),
    "a swapped tokenizer": swap_vocabulary,
    "an edited loss of a step": edit_lines(better_loss, "train/*/*/metrics.jsonl"),
    "a removed step": edit_lines(without_one, "train/*/*/metrics.jsonl"),
    "an edited score": edit_json(better_score, "eval/**/score.json"),
    "a removed sample": edit_lines(without_one, "samples/**/*.jsonl"),
    "a removed prediction": edit_lines(without_one, "eval/**/predictions.jsonl"),
    "predictions in another order": edit_lines(two_swapped, "eval/**/predictions.jsonl"),
    "swapped weights": exchange_models,
    "a renamed checkpoint": rename_checkpoint,
    "exchanged checkpoints": exchange_checkpoints,
    "a changed setting of a stage": edit_json(
        other_setting, "packs/*/manifest.json", "tokens/*/manifest.json", "models/*/manifest.json"
    ),
    "an edited count": edit_json(one_more_token, "packs/*/manifest.json", "tokens/*/manifest.json"),
    "other roots of the code": edit_json(other_roots, *CODED),
    "another hash of the code": edit_json(other_code, *CODED),
    "other roots with their own hash": edit_json(other_roots_with_their_hash, *CODED),
    "other roots in a header": edit_lines(in_header(other_roots), ANSWERED),
    "another hash in a header": edit_lines(in_header(other_code), ANSWERED),
    "other roots with their own hash in a header": edit_lines(in_header(other_roots_with_their_hash), ANSWERED),
    "a link out of the run": link_out,
    "a folder that is a link out of the run": link_folder_out,
    "a link to nothing": link_to_nothing,
    "another second name of predictions": other_second_name,
    "a changed seed of a training": edit_json(other_seed, "train/*/*/settings.json"),
    "an edited end of a training": edit_json(other_loss, "models/*/done.json"),
    "a changed configuration in the audit": edit_json(other_configuration, "audit/run.json"),
}
HASHED: dict[str, Tamperer] = {
    "predictions of another model": copy_predictions,
    "an edited validation loss": edit_lines(better_loss, "train/*/*/validation.jsonl"),
    "an edited fingerprint": edit_json(other_start, "train/*/*/fingerprint.json"),
    "a truncated log": edit_lines(cut_short, "logs/train/*.log", "logs/pack/*.log"),
    "a shortened history": edit_lines(without_one, "train/*/*/history.jsonl"),
    "an edited job record": edit_json(other_host, "records/jobs/*.json"),
    "an edited report": edit_json(lambda report, chance: report.update(run="another"), "report.json"),
    "an edited page": edit_lines(without_one, "report.html"),
    "an edited table of jobs": edit_lines(without_one, "audit/jobs.tsv"),
    "an edited lineage": edit_lines(without_one, "audit/data_lineage.json", "audit/training_lineage.json"),
    "an edited environment": edit_lines(without_one, "audit/env.json"),
    "an edited replay command": edit_lines(without_one, "audit/replay.sh"),
    "an edited sum": edit_sums,
    "an added file": add_file,
    "a removed file": remove_file,
    "a changed line of a stage": change_code(
        *("data_prep/*/*.py", "eval/*/*.py", "megatron_cdt/*/*.py", "contracts/*.py")
    ),
    "a changed rule": change_code("workflow/rules/*.smk", "workflow/Snakefile"),
    "a changed lock": change_code("requirements.lock"),
    "a changed book": change_book,
    "a changed configuration file": change_configuration,
}
