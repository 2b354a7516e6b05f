"""Evaluation: build samples, let a model answer them, score the answers, report.

Reads exported Hugging Face model folders, tokenizer folders and books; meets the other rooms in files only.
"""
