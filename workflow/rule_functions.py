"""What rules hand to Snakemake in place of values: functions with the signatures that it looks at."""

import inspect
from collections.abc import Callable
from typing import Any


def asked_often(function: Callable) -> Callable:
    """A function that is asked for every cell: its signature lies ready.

    Snakemake looks at the signature four times a call, and to make it out takes longer than these functions do.
    """

    def ask(wildcards: Any) -> Any:
        return function(wildcards)

    return with_signature(ask)


def no_reason(function: Callable) -> Callable:
    """A param that a command reads and whose change reruns nothing: Snakemake passes over what comes from resources."""

    def ask(wildcards: Any, resources: Any) -> Any:
        return function(wildcards)

    return with_signature(ask)


def more_at_each_attempt(wildcards: Any, attempt: int) -> int:
    """The memory of a job that reads texts of any length (MB)."""
    return 2500 * attempt


def with_signature(function: Callable) -> Callable:
    """The function with its signature made out once."""
    function.__signature__ = inspect.signature(function)
    return function


with_signature(more_at_each_attempt)
