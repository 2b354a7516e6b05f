"""LongCE: its settings; every default is the official code's, and its unit is named.

The Objective is in objective.py beside it: torch takes seconds, and the workflow checks settings without it.
"""

from pydantic import Field

from megatron_cdt.objectives.method import SectionSettings


class LongCeSettings(SectionSettings):
    """LongCE's windows (the official code fixes 4,096 and 1,024; the CDT paper's baseline uses a window of 8,192)."""

    context: int = Field(default=4096, gt=0, description="K: fewest tokens of short context; earlier tokens weigh 1")
    stride: int = Field(default=1024, gt=0, description="d: tokens scored by one window")
    clip: float = Field(default=5.0, gt=0, description="largest weight of a token")
