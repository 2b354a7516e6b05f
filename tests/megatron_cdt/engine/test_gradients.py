"""Gradients of every family are those of transformers, alone and shared: biases and norms of heads are split too."""

import pytest
import torch
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig

from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import load_weights, whole_tensors
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.row import NO_LABEL, labelled_row
from megatron_cdt.training.optimizer import finish_gradients
from tests.megatron_cdt.distributed import run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import YARN, random_model, random_row

LENGTH = 32
YARN_ROPE = {"rope_parameters": YARN | {"rope_theta": 1e6}}
MODELS = {
    "llama": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("mistral", {}),
    "qwen2": ("qwen2", YARN_ROPE | {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", YARN_ROPE),
}
SHARED = [(Layout(tensor=2), False), (Layout(tensor=2), True), (Layout(context=2), False)]


def gradients(folder, layout, sequence_parallel):
    """The whole tensors' gradients of the mean loss of a row, as training takes them; None but on the first rank."""
    groups = start_layout(layout)
    architecture = read_architecture(folder)
    model = build_model(architecture, groups, ModelOptions(sequence_parallel=sequence_parallel))
    load_weights(model, folder, groups)
    ids = random_row(LENGTH).tolist()
    with megatron_calls():
        # Not training's wrapper: its distributed optimizer would leave each rank a shard of the gradients.
        ddp = DistributedDataParallel(model.config, DistributedDataParallelConfig(), model, pg_collection=groups)
        row = labelled_row(ids, ids, groups)
        loss, _ = CrossEntropy(groups)(model, row)
        loss.backward()
        finish_gradients(ddp, int((row.labels_T != NO_LABEL).sum()), groups)
    for parameter in model.parameters():
        parameter.data = parameter.main_grad
    names = tensor_shapes(architecture)
    whole = {name: part.clone() for name, part in zip(names, whole_tensors(model, groups, names), strict=True)}
    return whole if groups.tp.rank() == 0 and groups.dp_cp.rank() == 0 else None


def under_every_layout(folders):
    """In each process: every model's gradients under every layout of two."""
    return [gradients(folder, *how) for folder in folders for how in SHARED]


def gradients_of_transformers(model):
    """The same gradients by transformers and plain autograd; a tied head is no tensor of its own."""
    ids = random_row(LENGTH)[None]
    model(ids, labels=ids).loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = gradient.abs().max().item()
        tolerance = {"rtol": 0, "atol": 1e-5 * scale}
        torch.testing.assert_close(found[name], gradient, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """{folder: gradients} of each family."""
    made = {}
    for name, (family, changes) in MODELS.items():
        folder = tmp_path_factory.mktemp(name)
        made[folder] = gradients_of_transformers(random_model(folder, family, **changes))
    return made


def test_one_process_has_the_gradients_of_transformers(expected):
    for folder, gradient in expected.items():
        assert_same_gradients(gradients(folder, Layout(), False), gradient)


def test_processes_that_share_heads_or_tokens_have_the_gradients_of_one(expected):
    first, _ = run_distributed(under_every_layout, 2, list(expected))
    wanted = [gradient for gradient in expected.values() for _ in SHARED]
    for found, gradient in zip(first, wanted, strict=True):
        assert_same_gradients(found, gradient)
