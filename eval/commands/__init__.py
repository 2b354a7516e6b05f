"""The commands: build samples, generate predictions, score and average them, write the report."""
