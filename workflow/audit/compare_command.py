"""Say, gate by gate, whether two runs are the same.

in : two run folders (or their audits)
out: a line per gate: identical; within tolerance; different, with the first differing artefact and step; or why this
     pair cannot show it. Exit 0 where every gate that it can show is passed, else 1
The bytes that are compared are those of the folders now, not what an audit says of them.
Run: python -m workflow.audit compare results/demo results/again
"""

import argparse
import sys
from pathlib import Path

from contracts.errors import InputError
from workflow.audit.comparison.artefacts import Tolerance, compare_runs, unknown_files
from workflow.audit.comparison.gates import GATES, differences_of_facts, facts_of, verdicts
from workflow.audit.run import open_run

RELATIVE, ABSOLUTE = 1e-3, 1e-6
DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("first", type=Path, metavar="A", help="a run folder, or its audit")
    add("second", type=Path, metavar="B", help="another one")
    add("--gate", choices=GATES, help="only this gate; the pair has to be able to show it")
    add("--relative", type=float, default=RELATIVE, help=f"tolerance of numbers, relative (default {RELATIVE:g})")
    add("--absolute", type=float, default=ABSOLUTE, help=f"tolerance of numbers, absolute (default {ABSOLUTE:g})")


def run(arguments: argparse.Namespace) -> None:
    first, second = open_run(arguments.first), open_run(arguments.second)
    facts = facts_of(first, second), facts_of(second, first)
    outcomes = list(compare_runs(first, second, Tolerance(arguments.relative, arguments.absolute)))
    if not outcomes:
        raise InputError(f"{first.folder}, {second.folder}: no results to compare; name two run folders")
    for sentence in differences_of_facts(*facts):
        print(sentence)
    for name in sorted({*unknown_files(first), *unknown_files(second)}):
        print(f"not compared: {name}: a kind of file that is unknown here")
    shown = [verdict for verdict in verdicts(*facts, outcomes) if arguments.gate in (None, verdict.gate)]
    for verdict in shown:
        print(f"{verdict.gate:<20}{verdict.sentence}")
    if arguments.gate and shown[0].passed is None:
        raise InputError(
            f"this pair of runs cannot show {arguments.gate}; {shown[0].sentence.removeprefix('not shown: ')}"
        )
    if any(verdict.passed is False for verdict in shown):
        sys.exit(DIFFERENT)
