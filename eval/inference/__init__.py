"""How a model reads a prompt: the methods of inference, and their settings."""
