"""Which generated stories and needle values are kept from every training, so that a test may ask them.

A tenth of all, by the SHA-256 of their text: whoever generates samples for training leaves them out, whoever generates
questions takes them alone, and no list has to be carried from one to the other.
"""

import hashlib

# Of 256 first bytes of a digest.
HELD_OUT_BELOW = 26


def is_held_out(text: str) -> bool:
    """Whether a story (its facts and its question, a line each) or a value, as text, is kept from training."""
    return hashlib.sha256(text.encode()).digest()[0] < HELD_OUT_BELOW
