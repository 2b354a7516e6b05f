"""Tokenizers: one trained on a corpus, the same one as transformers reads it, and a check that one suits a model."""
