"""Runs commands of this repository in forks of a process that has imported the heavy libraries already.

in : a JSON object a line on stdin: {"arguments": [program, command, ...], "environments": [{...}], "folder", "stdout",
     "stderr"}
out: the exit codes as a JSON list, a line each; one process is forked for each environment
No module of this repository is imported before a fork, so a job's record shows the code that the job itself loaded.
"""

import importlib
import json
import os
import sys
import traceback

HEAVY = ("torch", "megatron.core.dist_checkpointing", "transformers", "pyarrow")
for library in HEAVY:
    importlib.import_module(library)


def run(request: dict, environment: dict[str, str]) -> None:
    """Be the command, as `python -m program command ...` would be; never returns."""
    code = 1
    try:
        os.dup2(os.open(request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644), 1)
        os.dup2(os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
        os.chdir(request["folder"])
        os.environ.update(environment)
        program, *arguments = request["arguments"]
        sys.argv = [program, *arguments]
        commands = importlib.import_module(f"{program}.__main__").COMMANDS
        code = importlib.import_module("contracts.command_line").main(program, commands, arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def fork(request: dict, environment: dict[str, str]) -> int:
    """Start one process; its id."""
    process = os.fork()
    if process == 0:
        run(request, environment)
    return process


for line in sys.stdin:
    asked = json.loads(line)
    processes = [fork(asked, environment) for environment in asked["environments"]]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]), flush=True)
