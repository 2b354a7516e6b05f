"""Packs: which stretch of which document lies where in which row, and the rows as Arrow files."""
