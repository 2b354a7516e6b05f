"""`python -m data_prep COMMAND`: the commands of this room."""

import sys

from contracts import command_line

COMMANDS = {
    "fetch": ("data_prep.fetch_command", "download a file whose hash is known; goes on where a download broke off"),
    "tokenizer": ("data_prep.tokenizer_command", "train a tokenizer on a corpus, or take in a given one"),
    "tokenize": ("data_prep.tokenize_command", "turn the documents of a corpus into Arrow token files"),
    "mix": ("data_prep.mix_command", "draw supervised samples from tokenized sets and shuffle them together"),
    "pack": ("data_prep.pack_command", "pack tokenized documents into rows of one length"),
    "inspect": ("data_prep.inspect_command", "show what a tokenizer, tokens or packs folder holds"),
    "verify": ("data_prep.verify_command", "recompute every hash and count of a folder"),
}

if __name__ == "__main__":
    sys.exit(command_line.main("data_prep", COMMANDS))
