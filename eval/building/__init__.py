"""What the builders of samples share: texts, published files, prompts of an exact length, seeds."""
