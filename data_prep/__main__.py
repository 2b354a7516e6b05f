"""`python -m data_prep COMMAND`: the commands of this room."""

import sys

from contracts import command_line

COMMANDS = {
    "tokenizer": ("data_prep.tokenizer_command", "train a tokenizer on a corpus, or take in a given one"),
    "tokenize": ("data_prep.tokenize_command", "turn the documents of a corpus into Arrow token files"),
    "pack": ("data_prep.pack_command", "pack tokenized documents into rows of one length"),
    "inspect": ("data_prep.inspect_command", "show what a tokenizer, tokens or packs folder holds"),
    "verify": ("data_prep.verify_command", "recompute every hash and count of a folder"),
}

if __name__ == "__main__":
    sys.exit(command_line.main("data_prep", COMMANDS))
