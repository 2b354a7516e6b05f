"""Natural Questions: one passage answers, among passages that do not."""
