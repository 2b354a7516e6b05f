"""The score of re-ranking: NDCG@10 of the written order; rows hold `relevance` {passage id: grade}."""

from eval.benchmarks.helmet.outputs import field_of, output_of, scored
from eval.benchmarks.helmet.rankings import ndcg_at_10
from eval.scoring.scored import Scored


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean NDCG@10."""
    values = [{"NDCG@10": ndcg_at_10(output_of(row), field_of(row, "relevance"))} for row in rows]
    return scored(values, ("NDCG@10",), rows, {})
