"""What is done to the prompt and to the attention before a model answers: dense, rag, flexprefill, xattention."""
