"""RULER: synthetic tasks of any length."""
