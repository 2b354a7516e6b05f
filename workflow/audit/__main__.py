"""`python -m workflow.audit COMMAND`: write the audit of a run, recompute it, compare two runs."""

import sys

from contracts import command_line

COMMANDS = {
    "make": ("workflow.audit.make_command", "write the audit folder of a finished run"),
    "verify": ("workflow.audit.verify_command", "recompute everything that an audit says; name every difference"),
    "compare": ("workflow.audit.compare_command", "say, gate by gate, whether two runs are the same"),
}

if __name__ == "__main__":
    sys.exit(command_line.main("workflow.audit", COMMANDS))
