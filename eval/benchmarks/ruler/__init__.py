"""RULER (Hsieh et al., 2024): 13 synthetic tasks of any length: needles, tracking, counting and questions."""
