"""For all tests: one thread a process, so that parallel test processes neither compete nor differ, and hypothesis
without wall-clock deadlines, which a busy machine would break."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("megatron-cdt", deadline=None)
settings.load_profile("megatron-cdt")


# The folders whose files take longest (Slurm's one file: a third of all); what is begun last ends last.
LONGEST = ("slurm", "workflow")


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONGEST) if name in item.path.parts), 9))
