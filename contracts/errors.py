"""Bad input, told in one line that says what to change.

Invariant: an InputError never shows a traceback to a person; the process ends with exit code 2.
"""


class InputError(Exception):
    """The user's input is wrong. The message is one line: what, where, and the cure."""


def one_line(error: Exception) -> str:
    """What an error says, without line breaks or runs of spaces."""
    return " ".join(str(error).split())
