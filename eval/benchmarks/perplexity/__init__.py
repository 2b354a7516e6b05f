"""Perplexity: loss per token on texts that the model has never seen."""
