"""How the samples of each task are built: every module has build(context) -> Built."""
