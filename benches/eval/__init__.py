"""What an evaluation costs: samples built per second, tokens generated per second, the fan-out's overhead per cell."""
