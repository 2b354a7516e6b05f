"""LongPPL: perplexity over the tokens that need the long context."""
