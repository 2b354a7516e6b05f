"""The trainer's fixtures, for the benches that measure it."""

from tests.megatron_cdt.conftest import groups, on_this_device, tiny_architecture, tiny_model

__all__ = ["groups", "on_this_device", "tiny_architecture", "tiny_model"]
