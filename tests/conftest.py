"""For all tests: one thread a process, so that parallel test processes neither compete nor differ, and hypothesis
without wall-clock deadlines, which a busy machine would break."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("megatron-cdt", deadline=None)
settings.load_profile("megatron-cdt")
