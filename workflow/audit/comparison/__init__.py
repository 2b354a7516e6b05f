"""Comparing two runs: their artefacts in the order of the pipeline, and what the outcome says about each gate."""
