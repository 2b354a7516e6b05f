"""What computes the answers: transformers, or vLLM where it is installed. Both take the same requests."""
