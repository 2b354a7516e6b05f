"""Reading and writing weights holds one tensor besides the model, whatever the model's size."""

from pathlib import Path

import pytest
import torch

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import build_model
from megatron_cdt.engine.parallel import Layout
from megatron_cdt.huggingface.fresh import initialize_weights
from megatron_cdt.huggingface.weights import load_weights, save_model
from tests.megatron_cdt.distributed import run_distributed, start_layout

RESETTABLE = Path("/proc/self/clear_refs")
MIB = 2**20
# Embedding and head 32 MiB each, 212 MiB in layers: "everything twice" cannot be missed.
ARCHITECTURE = Architecture(
    family="qwen3",
    vocab_size=32768,
    hidden_size=256,
    num_layers=16,
    num_attention_heads=8,
    num_key_value_heads=2,
    head_dim=64,
    ffn_hidden_size=4096,
    max_position_embeddings=64,
)
LARGEST = 32 * MIB

pytestmark = pytest.mark.skipif(not RESETTABLE.exists(), reason="measures with Linux's /proc/self/clear_refs")


def status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def extra_memory(work) -> int:
    """The most memory that `work()` used besides what is in use when it begins, in bytes."""
    RESETTABLE.write_text("5")  # the peak starts again from here
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def measure(folder, layout):
    """(model, peak of saving it, peak of loading it), in bytes, in this process."""
    groups = start_layout(layout)
    model = build_model(ARCHITECTURE, groups)
    initialize_weights(model, ARCHITECTURE, 1, groups)
    size = sum(weight.nbytes for weight in model.parameters())
    saved = extra_memory(lambda: save_model(model, ARCHITECTURE, folder, groups, dtype=torch.float32))
    loaded = extra_memory(lambda: load_weights(model, folder, groups))
    return size, saved, loaded


@pytest.mark.parametrize(
    ("layout", "most"),
    # Alone nothing is copied. Under TP 2 the first process holds one whole tensor and a half that arrives; gloo holds
    # another half where it arrives before it is asked for.
    [(Layout(), 0.5), (Layout(tensor=2), 2.3)],
    ids=["alone", "tp2"],
)
def test_saving_and_loading_hold_one_tensor_besides_the_model(tmp_path, layout, most):
    for size, saved, loaded in run_distributed(measure, layout.tensor, tmp_path / "model", layout):
        assert size > 4 * LARGEST
        assert saved < most * LARGEST
        # The file's pages that are mapped, and the copy of a part that is cut by columns.
        assert loaded < 1.5 * LARGEST
