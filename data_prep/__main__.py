"""`python -m data_prep COMMAND`: the commands of this room."""

import sys

from contracts import command_line

COMMANDS = {
    "fetch": ("data_prep.commands.fetch", "download a file whose hash is known; goes on where a download broke off"),
    "tokenizer": ("data_prep.commands.tokenizer", "train a tokenizer on a corpus, or take in a given one"),
    "tokenize": ("data_prep.commands.tokenize", "turn the documents of a corpus into Arrow token files"),
    "mix": ("data_prep.commands.mix", "draw supervised samples from tokenized sets and shuffle them together"),
    "augment": ("data_prep.commands.augment", "make the pairs x, x' of Focused Learning from samples and their ranks"),
    "pack": ("data_prep.commands.pack", "pack tokenized documents into rows of one length"),
    "inspect": ("data_prep.commands.inspect", "show what a tokenizer, tokens or packs folder holds"),
    "verify": ("data_prep.commands.verify", "recompute every hash and count of a folder"),
}

if __name__ == "__main__":
    sys.exit(command_line.main("data_prep", COMMANDS))
