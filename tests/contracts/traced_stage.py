"""Runs one command of the repository and writes down which of its functions were executed.

Run: python -m tests.contracts.traced_stage OUT.json PROGRAM COMMAND ...
out: {module: [qualified names]}, functions of this repository that ran in this process's threads after the command's
     module was imported; and {"": loaded modules}
"""

import importlib
import json
import sys
import threading
from pathlib import Path

from contracts import command_line
from contracts.code_places import REPOSITORY, ROOMS


def main(output: str, program: str, *arguments: str) -> int:
    """The command's exit code; the functions go to `output`."""
    executed: set[tuple[str, str]] = set()

    def note(frame, event, _argument):
        if event == "call":
            executed.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    commands = importlib.import_module(f"{program}.__main__").COMMANDS
    importlib.import_module(commands[arguments[0]][0])
    threading.setprofile(note)
    sys.setprofile(note)
    code = command_line.main(program, commands, list(arguments))
    sys.setprofile(None)
    found: dict[str, list[str]] = {"": sorted(name for name in sys.modules if name.split(".")[0] in ROOMS)}
    for file, name in sorted(executed):
        path = Path(file)
        if path.is_relative_to(REPOSITORY) and path.relative_to(REPOSITORY).parts[0] in ROOMS:
            module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
            found.setdefault(module, []).append(name)
    Path(output).write_text(json.dumps(found))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
