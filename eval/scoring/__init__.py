"""What the scorers share: the shape of a score, metrics of words, intervals and tests."""
