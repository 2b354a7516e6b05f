"""Corpora: one module per published format, each of which yields documents in an order of its own.

A source module offers `open_source(path, split) -> Source`. It is imported by its name, so that an edit to one
format leaves the code fingerprint of the others alone.
"""
