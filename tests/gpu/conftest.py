"""Tests of a machine with a GPU: `python -m pytest tests/gpu`. Elsewhere each is skipped, and says so."""

import importlib.util

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    lacking = missing()
    for item in items:
        if lacking and "tests/gpu/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=lacking))


def missing() -> str | None:
    """What this machine lacks for these tests."""
    if not torch.cuda.is_available():
        return "needs a GPU"
    if importlib.util.find_spec("transformer_engine") is None:
        return "needs TransformerEngine"
    return None


@pytest.fixture
def groups():
    """The process groups of a world of one."""
    from megatron_cdt.engine.options import Layout
    from megatron_cdt.engine.parallel import start_processes

    return start_processes(Layout())
