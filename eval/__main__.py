"""python -m eval COMMAND: build samples, generate predictions, score and average them, write the report."""

import sys

from contracts import command_line

COMMANDS = {
    "build": ("eval.build_command", "Write the samples of one task at one length."),
    "generate": ("eval.generate_command", "Let a model answer a samples file; resumes where it was stopped."),
    "score": ("eval.score_command", "Score predictions against their samples."),
    "aggregate": ("eval.aggregate_command", "Average the scores of one model as a benchmark's tables do."),
    "report": ("eval.report_command", "Write one self-contained HTML page, and its numbers as JSON."),
}

if __name__ == "__main__":
    sys.exit(command_line.main("eval", COMMANDS))
