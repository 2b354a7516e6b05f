"""How the predictions of each task are scored: every module has score(samples, predictions) -> Scored.

A Scored holds `metrics`, the numbers of the cell, and `rows`, the numbers of every sample, from which a paired
comparison of two models can be made.
"""
