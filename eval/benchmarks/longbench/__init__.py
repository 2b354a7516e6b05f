"""LongBench-E: the paper's 12 sets of real documents, dialogues and code, and two synthetic ones."""
