"""One Llama as transformers has it and as this project has it."""

import pytest

from megatron_cdt.engine.model import build_model
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import load_weights
from tests.megatron_cdt.huggingface.models import random_llama


@pytest.fixture
def llama(tmp_path, groups, on_this_device):
    """transformers' model, and ours with the same weights."""
    theirs = random_llama(tmp_path, vocab_size=96)
    ours = build_model(read_architecture(tmp_path), groups)
    load_weights(ours, tmp_path, groups)
    yield theirs, ours
    stop_processes()
