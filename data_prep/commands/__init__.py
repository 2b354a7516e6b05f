"""The commands of this room, one file each: `python -m data_prep tokenize` is data_prep/commands/tokenize.py."""
