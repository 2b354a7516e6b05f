"""Audits: one folder that says what a run was made of, a recomputation of it, and the comparison of two runs."""
