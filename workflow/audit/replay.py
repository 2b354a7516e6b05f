"""replay.sh: the command behind every output, to run one stage again, or all of them into another folder.

in : the job that finished each output      out: a bash script; paths in the run folder follow $root
"""

import shlex

from workflow.audit.run import Run

HEAD = """#!/usr/bin/env bash
# The command behind every output of the run {root}, in the order in which they ran.
# Run from the folder in which the workflow ran, with the code of the commit in run.json:
#   bash {root}/audit/replay.sh                          lists the outputs
#   root=results/replayed bash {root}/audit/replay.sh all     computes all of them again, in another folder
#   root=results/replayed bash {root}/audit/replay.sh OUTPUT  computes one (what it reads has to be there)
set -euo pipefail
root=${{root:-{root}}}
wanted=${{1:-}}
stage() {{
  local output=$1
  shift
  if [ -z "$wanted" ]; then
    echo "$output"
  elif [ "$wanted" = all ] || [ "$wanted" = "$output" ]; then
    mkdir -p "$(dirname "$root/$output")"
    "$@"
  fi
}}
printed() {{
  local output=$1
  shift
  "$@" > "$output"
}}
"""


def replay_script(run: Run) -> str:
    """The script; an argument from which a secret was taken out says so and has to be put in again."""
    jobs = sorted(run.last_jobs.items(), key=lambda item: item[1]["started"])
    lines = [f"stage {shlex.quote(output)} {command(run, job)}" for output, job in jobs]
    return HEAD.format(root=run.root) + "".join(f"{line}\n" for line in lines)


def command(run: Run, job: dict) -> str:
    """A job's command line, quoted for bash, its paths in the run folder beginning with $root."""
    words = ["python", "-m", job["program"], *job["arguments"]]
    if job.get("stdout"):
        words = ["printed", job["stdout"], *words]
    return " ".join(in_root(word, run.root) for word in words)


def in_root(word: str, root: str) -> str:
    """One word, quoted, every `<root>/` in it replaced by the variable."""
    return '"$root"/'.join(shlex.quote(part) if part else "" for part in word.split(f"{root}/")) or "''"
