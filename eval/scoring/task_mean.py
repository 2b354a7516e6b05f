"""The plain mean over tasks, for every length; the mean over lengths beside it.

in : score.json of the cells of one model, one method of inference and one benchmark
"""

from eval.scoring.scored import mean


def aggregate(scores: list[dict]) -> dict:
    """{"lengths": {length: {"tasks": {task: score}, "mean"}}, "score": mean over lengths}; tasks without a score count
    for nothing.
    """
    lengths: dict[str, dict] = {}
    for length in sorted({score["length"] for score in scores}):
        tasks = {score["task"]: score["score"] for score in scores if score["length"] == length}
        lengths[str(length)] = {"tasks": tasks, "mean": mean([value for value in tasks.values() if value is not None])}
    means = [entry["mean"] for entry in lengths.values() if entry["mean"] is not None]
    return {"lengths": lengths, "score": mean(means)}
