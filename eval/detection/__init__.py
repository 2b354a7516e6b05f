"""Detection: which tokens of a text does the model's answer rest on? One file a detector."""
