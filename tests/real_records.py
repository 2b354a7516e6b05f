"""Where published records lie that may not be in the repository; tests that need them say so when they are absent.

MEGATRON_CDT_RECORDS names the folder, whose layout is in CONTRIBUTING.md; by default it is ../shared/data.
"""

import os
from pathlib import Path

from tests.copy_of_repository import REPOSITORY

REAL_RECORDS = Path(os.environ.get("MEGATRON_CDT_RECORDS") or REPOSITORY.parent / "shared/data")
