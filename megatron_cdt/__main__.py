"""`python -m megatron_cdt COMMAND`: train, import and export models, detect critical tokens."""

import sys

from megatron_cdt.stop_signals import end_when_asked

if __name__ == "__main__" and sys.argv[1:2] == ["train"]:
    # Before the imports below and those of the command: they take seconds, and a signal must not kill a training then.
    end_when_asked()

from contracts import command_line

COMMANDS = {
    "train": ("megatron_cdt.training.train_command", "train a start checkpoint on packed rows"),
    "import-hf": (
        "megatron_cdt.huggingface.import_command",
        "make a start checkpoint from Hugging Face or from scratch",
    ),
    "export-hf": ("megatron_cdt.huggingface.export_command", "write a checkpoint as a Hugging Face folder"),
    "plan": (
        "megatron_cdt.plan_command",
        "which layouts of so many GPUs fit a model, and how fast they are",
    ),
    "detect": ("megatron_cdt.detect_command", "gradient norms, noise mask and CDT loss of given rows"),
}

if __name__ == "__main__":
    sys.exit(command_line.main("megatron_cdt", COMMANDS))
