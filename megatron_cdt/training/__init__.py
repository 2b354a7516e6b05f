"""The training run: settings, row order, optimizer, loop, checkpoints, and the command that drives them."""
