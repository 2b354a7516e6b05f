"""What is minimised: cross-entropy, and Context Denoising Training built on it. One equation per function."""
