"""Corpora: one module per format, each of which yields records in an order of its own.

To add a corpus: write data_prep/sources/NAME.py, whose `open_source(corpus, split)` gives a Source (see source.py),
and put NAME into ENCODERS. A module is imported by its name, so that an edit to one format leaves the code
fingerprint of the others alone.
"""

SAMPLE_ENCODER = "data_prep.tokens.encode:sample_encoder"
# Of samples whose question and long text have known places.
QUESTION_ENCODER = "data_prep.tokens.encode:question_encoder"
# {name of a source: what turns its records into tokens, as module:function}
ENCODERS = {
    "pg19": "data_prep.tokens.encode:document_encoder",
    "text": "data_prep.tokens.encode:document_encoder",
    "longmit": SAMPLE_ENCODER,
    "longalpaca": SAMPLE_ENCODER,
    "drills": "data_prep.tokens.encode:drill_encoder",
    "quality": QUESTION_ENCODER,
    "qasper": QUESTION_ENCODER,
    "nq": QUESTION_ENCODER,
}
# Those that need a chat template.
CONVERSATIONS = (SAMPLE_ENCODER, QUESTION_ENCODER)
# What every source reads of the settings of a corpus, and what some read besides.
CORPUS_KEYS = ("source", "path", "line_ends", "on_bad_record", "max_record_megabytes")
MORE_CORPUS_KEYS = {
    "pg19": (),
    "text": ("text_field", "id_field"),
    "longmit": ("id_field",),
    "longalpaca": ("id_field",),
    "drills": ("drills",),
    "quality": (),
    "qasper": (),
    "nq": ("nq",),
}
# Settings of samples that choose by what the records of a source do not tell.
UNREAD_SAMPLE_KEYS = {"longalpaca": ("min_evidence", "max_evidence", "languages")}
