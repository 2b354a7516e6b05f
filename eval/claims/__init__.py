"""What the parts of a study say about the claims of the papers, with intervals and what could not have been seen."""
