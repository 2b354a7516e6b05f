"""Corpora: one module per format, each of which yields records in an order of its own.

To add a corpus: write data_prep/sources/NAME.py, whose `open_source(corpus, split)` gives a Source (see source.py),
and put NAME into ENCODERS. A module is imported by its name, so that an edit to one format leaves the code
fingerprint of the others alone.
"""

# {name of a source: the module that turns its records into tokens}
ENCODERS = {
    "pg19": "data_prep.tokens.encode_document",
    "text": "data_prep.tokens.encode_document",
    "longmit": "data_prep.tokens.encode_sample",
    "longalpaca": "data_prep.tokens.encode_sample",
    "drills": "data_prep.tokens.encode_drill",
}
