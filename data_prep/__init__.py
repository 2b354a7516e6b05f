"""Text to tokens to packed rows: the tokenizer, the tokens and the packs of a corpus, as Arrow files.

Knows nothing of torch. Each command's module is a stage of its own, so that an edit to packing does not change
the code fingerprint of tokenizing: `python -m data_prep --help`.
"""
