"""BABILong (Kuratov et al., 2024): the facts of a bAbI question among the sentences of books, at any length."""
