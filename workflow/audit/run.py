"""A run folder as an audit sees it: files and hashes, manifests, job records, trainings. Read once, used everywhere.

in : results/<run>      out: Run; nothing is judged here
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.fingerprint import sha256_value
from workflow.audit.files import AUDIT, files_of_run
from workflow.audit.sums import hash_files

RECORDS = "records"
RUN_FACTS = "run.json"


@dataclass(frozen=True)
class Run:
    """One run folder. `root` is its path in the command lines of its jobs, e.g. results/demo."""

    folder: Path
    root: str

    @cached_property
    def digests(self) -> dict[str, str]:
        """{path in the run folder: sha256} of every audited file, hashed now."""
        return hash_files(files_of_run(self.folder), self.folder)

    @cached_property
    def manifests(self) -> dict[str, dict]:
        """{path: manifest} of everything that a stage described; a file that is no JSON object is left out."""
        named = (name for name in self.digests if name.endswith("manifest.json"))
        objects = {name: read_object(self.folder / name) for name in named}
        return {name: manifest for name, manifest in objects.items() if manifest.get("stage")}

    @cached_property
    def jobs(self) -> list[dict]:
        """The records of the jobs that ran, by their start; `name` is the record's file name."""
        names = [name for name in self.digests if name.startswith(f"{RECORDS}/jobs/")]
        return [read_object(self.folder / name) | {"name": Path(name).stem} for name in names]

    @cached_property
    def last_jobs(self) -> dict[str, dict]:
        """{output in the run folder: the job that finished it}; of several the last."""
        finished = [job for job in self.jobs if job.get("exit_code") == 0 and not job.get("parent")]
        return {output: job for job in finished if (output := self.output_of(job)) is not None}

    @property
    def span(self) -> tuple[str | None, str | None]:
        """When the first job began and the last one ended, to the second, a form that readers of ISO 8601 know."""
        times = [job[key] for job in self.jobs for key in ("started", "ended") if job.get(key)]
        short = [f"{time.partition('.')[0].rstrip('Z')}Z" for time in times]
        return min(short, default=None), max(short, default=None)

    @cached_property
    def makers(self) -> dict[str, list[dict]]:
        """{output that is still there: the jobs that made it}: the one that finished it, and those that it started."""
        started: dict[str, list[dict]] = {}
        for job in self.jobs:
            started.setdefault(job.get("parent") or "", []).append(job)
        there = {
            place.as_posix() for name in self.digests for place in (PurePosixPath(name), *PurePosixPath(name).parents)
        }
        jobs = {output: job for output, job in self.last_jobs.items() if output in there}
        return {output: [job, *started.get(job["name"], ())] for output, job in jobs.items()}

    @cached_property
    def trainings(self) -> dict[str, Path]:
        """{model folder: the run folder of its training}, for the models of this run: the one that done.json names."""
        folders = {}
        for name in self.digests:
            if name.endswith("/fingerprint.json"):
                folders[sha256_value(read_object(self.folder / name))] = self.folder / Path(name).parent
        done = {name: read_object(self.folder / name) for name in self.digests if name.endswith("/done.json")}
        return {
            Path(name).parent.as_posix(): folders[told["run_fingerprint"]]
            for name, told in done.items()
            if told.get("run_fingerprint") in folders
        }

    @cached_property
    def named_codes(self) -> dict[str, dict]:
        """{file: what it says of its code}: manifests, scores, and predictions that have a header."""
        named = dict(self.manifests)
        for name in self.digests:
            if name.endswith("/score.json"):
                named[name] = read_object(self.folder / name).get("hashes", {})
            elif name.endswith("/predictions.jsonl"):
                with open(self.folder / name, encoding="utf-8") as lines:
                    header = json.loads(next(lines, "{}"))
                if "samples_sha256" in header:
                    named[name] = header
        return named

    def shared_record(self, kind: str, digest: str | None) -> dict:
        """An environment or a code record that jobs refer to by its digest; empty where there is none."""
        return read_object(self.folder / RECORDS / kind / f"{digest}.json")

    def manifest_of(self, output: str) -> str | None:
        """The manifest that describes an output: in its folder, or beside its file."""
        beside = PurePosixPath(output).with_suffix(".manifest.json").as_posix()
        return next((name for name in (f"{output}/manifest.json", beside) if name in self.manifests), None)

    def output_of(self, job: dict) -> str | None:
        """What a job wrote, as a path in the run folder; None for what lies elsewhere."""
        given = option(job, "--output") or job.get("stdout")
        return self.inside(given) if given else None

    def inside(self, path: str) -> str | None:
        """A path of a command line as a path in the run folder; None where it lies elsewhere."""
        return path[len(self.root) + 1 :] if path.startswith(self.root + "/") else None

    def present(self, argument: str) -> str:
        """An argument of a recorded command, its paths in the run folder as they are now."""
        return argument.replace(self.root + "/", f"{self.folder}/")

    def work_folder(self) -> Path:
        """Where the workflow ran: the folder that `root` is relative to, else the present one."""
        parts = Path(self.root).parts
        absolute = self.folder.resolve()
        return Path(*absolute.parts[: -len(parts)]) if absolute.parts[-len(parts) :] == parts else Path.cwd()


def open_run(folder: Path) -> Run:
    """A run folder, or the run of an audit folder; its root is what the command lines of its jobs call it."""
    folder = existing_folder(folder, "name a run folder, results/<run>, or the audit in it")
    given = folder.parent if folder.name == AUDIT else folder
    folder = folder.resolve().parent if folder.resolve().name == AUDIT else folder.resolve()
    root = read_object(folder / AUDIT / RUN_FACTS).get("root") or root_of(folder) or given.as_posix()
    return Run(folder, root)


def root_of(folder: Path) -> str | None:
    """What a run's jobs call its folder: what stands before a path of theirs that is there; None without any.

    A copy has another name than the run had, and perhaps no audit that says which.
    """
    for record in sorted((folder / RECORDS / "jobs").glob("*.json")):
        parts = PurePosixPath(option(read_object(record), "--output") or "").parts
        for place in range(1, len(parts)):
            if Path(folder, *parts[place:]).exists():
                return PurePosixPath(*parts[:place]).as_posix()
    return None


def option(job: dict, name: str) -> str | None:
    """The value of an option of a recorded command line."""
    words = job.get("arguments", [])
    return words[words.index(name) + 1] if name in words[:-1] else None


def read_object(path: Path) -> dict:
    """The JSON object in a file; empty where there is no such file, or none in it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def read_lines(path: Path) -> list[dict]:
    """The JSON objects of a .jsonl file, one a line. Raises InputError naming the first line that is none."""
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                raise InputError(f"{path} line {number}: not valid JSON; the file is torn or edited") from None
    return rows


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is not as it should be: the file that it was found in, and a sentence."""

    path: str  # relative to the run folder, to the working folder (inputs), or to the repository (code)
    what: str


@dataclass(frozen=True)
class Audited:
    """A run, its audit folder, and the code to compare it with."""

    run: Run
    audit: Path
    repository: Path

    @cached_property
    def facts(self) -> dict:
        """run.json."""
        return read_object(self.audit / RUN_FACTS)
