"""Re-ranking: a written order of document ids, and NDCG@10 by trec_eval."""

import re

import pytrec_eval

ORDER = re.compile(r"\d+(?:\s*>\s*\d+)*")
# BEIR's evaluation, which HELMET follows, rounds to this many digits.
DIGITS = 5


def parsed_ranking(output: str) -> list[str]:
    """The ids of the longest `ID3 > ID1 > ID2` in the output, first mention only; the output itself where none is."""
    text = re.sub(r"[\[\]:]", "", output).lower().replace("id", "")
    orders = ORDER.findall(text)
    if not orders:
        return [text]
    ids = [part.strip() for part in max(orders, key=len).split(">")]
    return list(dict.fromkeys(part for part in ids if part.isdigit()))


def ndcg_at_10(output: str, relevance: dict[str, int]) -> float:
    """NDCG@10 of the written order against {id: graded relevance}."""
    ranking = parsed_ranking(output)
    run = {identity: float(len(ranking) - place) for place, identity in enumerate(ranking)}
    scores = pytrec_eval.RelevanceEvaluator({"query": relevance}, {"ndcg_cut.10"}).evaluate({"query": run})
    return round(scores["query"]["ndcg_cut_10"], DIGITS)
