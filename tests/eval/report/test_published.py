"""The published figures: complete, and wrong only where the file says that the paper is."""

import pytest

from eval.report.published import published_tables

# The paper cuts some averages where it rounds others.
CUT = 0.0101
MEANS = [
    ("1", "Avg.", ("S-Doc QA", "M-Doc QA", "Summ", "Few-shot", "Code"), CUT),
    ("2", "BABILong Avg.", tuple(f"BABILong {k}K" for k in (4, 8, 16, 32, 64, 128)), CUT),
    ("11", "Avg.", ("Recall", "RAG", "ICL", "Re-rank", "QA", "Summ.", "Cite"), 0.051),
    ("12", "Avg.", ("S-Doc QA", "M-Doc QA", "Summ", "Few-shot", "Code"), CUT),
]


def rows(number):
    return [row for _, members in published_tables()[number].groups for row in members]


@pytest.mark.parametrize(("number", "average", "parts", "rounding"), MEANS)
def test_a_printed_average_is_the_mean_of_its_row_or_marked_as_a_misprint(number, average, parts, rounding):
    for row in rows(number):
        values = [row.values[part] for part in parts if row.values[part] is not None]
        agrees = abs(sum(values) / len(values) - row.values[average]) <= rounding
        says_mean = "have the mean" in row.misprints.get(average, "")
        assert agrees != says_mean, (row.model, sum(values) / len(values), row.values[average])


def test_misprints_give_the_mean_that_the_row_has():
    for number, average, parts, _ in MEANS:
        for row in rows(number):
            if "have the mean" in row.misprints.get(average, ""):
                values = [row.values[part] for part in parts if row.values[part] is not None]
                assert f"{sum(values) / len(values):.2f}" in row.misprints[average]


@pytest.mark.parametrize(("number", "count"), [("1", 20), ("2", 16), ("11", 5), ("12", 6), ("13", 13), ("14", 3)])
def test_every_row_has_every_column(number, count):
    assert len(rows(number)) == count
    assert all(tuple(row.values) == published_tables()[number].columns for row in rows(number))
