"""From the scores of one model and one method of inference to the numbers of a benchmark's tables."""
