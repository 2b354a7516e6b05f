"""LoRA's loss and gradients are PEFT's on transformers: every target, grouped queries, biases, norms, tied heads."""

import pytest
import torch
import torch.nn.functional as F

from contracts.errors import InputError
from contracts.settings import validated
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.lora import TARGETS, LoraSettings
from megatron_cdt.engine.lora.adapters import adapters_of, add_adapters, without_adapters
from megatron_cdt.engine.model import build_model, packed_row
from megatron_cdt.huggingface.adapter_folder import stored_shapes
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.fresh import initialize_adapters
from megatron_cdt.huggingface.names import adapter_shapes
from megatron_cdt.huggingface.weights import load_weights, whole_tensors
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.row import labelled_row
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.settings import TrainSettings
from tests.megatron_cdt.huggingface.models import random_llama, random_row
from tests.megatron_cdt.huggingface.peft_models import our_adapted, random_adapter
from tests.megatron_cdt.training.job import train_settings

TOKENS = 40
ALL = {"targets": TARGETS, "train_embeddings": True, "train_norms": True}


def our_loss_and_gradients(model, architecture, groups) -> tuple[float, dict[str, torch.Tensor]]:
    """Summed cross-entropy of a row, and the gradient of what is trained, by the adapter folder's names."""
    ids = random_row(TOKENS).tolist()
    with megatron_calls():
        row = labelled_row(ids, ids, groups)
        loss = summed_cross_entropy(model, model.embed(row.input_ids_T), row, groups)
        loss.backward()
    for parameter in model.parameters():
        assert (parameter.grad is not None) == parameter.requires_grad
        if parameter.requires_grad:
            parameter.data = parameter.grad
    shapes = stored_shapes(architecture, model.lora)
    return loss.item(), dict(zip(shapes, whole_tensors(model, groups, shapes), strict=True))


def their_loss_and_gradients(adapted) -> tuple[float, dict[str, torch.Tensor]]:
    """The same of PEFT's model."""
    ids = random_row(TOKENS)
    logits = adapted(ids[None]).logits[0]
    loss = F.cross_entropy(logits[:-1], ids[1:], reduction="sum")
    loss.backward()
    parts = (".default", "base_model.model.", ".modules_to_save")
    gradients = {}
    for name, weight in adapted.named_parameters():
        if weight.requires_grad:
            for part in parts:
                name = name.replace(part, "")
            gradients[name] = weight.grad
    if "lm_head.weight" in gradients:
        gradients["model.embed_tokens.weight"] += gradients.pop("lm_head.weight")
    return loss.item(), gradients


@pytest.mark.parametrize(
    ("family", "lora", "changes"),
    [
        *(("llama", {"targets": [target]}, {}) for target in TARGETS),
        ("llama", {"rank": 3, "alpha": 5.0}, {}),
        ("llama", ALL, {"num_key_value_heads": 6}),
        ("llama", ALL, {"num_key_value_heads": 1, "tie_word_embeddings": True}),
        ("llama", ALL, {"attention_bias": True, "mlp_bias": True}),
        ("qwen2", ALL, {}),
        ("qwen3", ALL, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value)) or "gqa",
)
def test_loss_and_gradients_are_pefts(tmp_path, groups, family, lora, changes):
    settings = LoraSettings(**lora)
    adapted = random_adapter(tmp_path / "base", tmp_path / "adapter", family, settings, **changes)
    model = our_adapted(tmp_path / "base", tmp_path / "adapter", groups)
    assert model.lora == settings
    loss, gradients = our_loss_and_gradients(model, read_architecture(tmp_path / "base"), groups)
    wanted_loss, wanted = their_loss_and_gradients(adapted.double())
    assert loss == pytest.approx(wanted_loss, rel=1e-6)
    assert gradients.keys() == wanted.keys()
    for name, gradient in wanted.items():
        # Of fp32 against float64: rounding leaves 1e-6 to 4e-6 of the gradient's length.
        error = torch.linalg.vector_norm(gradients[name].double() - gradient)
        assert error <= 1e-5 * torch.linalg.vector_norm(gradient), name


def test_first_values_are_pefts_distribution(tmp_path, groups):
    """They are the same for every layout: tests/megatron_cdt/training/test_lora_layouts.py trains from them."""
    random_llama(tmp_path)
    architecture = read_architecture(tmp_path)
    model = build_model(architecture, groups)
    add_adapters(model, LoraSettings(targets=TARGETS), groups)
    initialize_adapters(model, architecture, 7, groups)
    shapes = adapter_shapes(architecture, model.lora)
    drawn = dict(zip(shapes, whole_tensors(model, groups, shapes), strict=True))
    for name, values in drawn.items():
        if ".lora_B." in name:
            assert not values.any()
        else:
            bound = values.shape[1] ** -0.5
            assert bound * 0.95 < values.abs().max() <= bound
            assert values.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert len({values.sum().item() for name, values in drawn.items() if ".lora_A." in name}) == 2 * len(TARGETS)


def test_fresh_adapters_change_nothing_and_the_base_is_the_model_without_them(tmp_path, groups):
    peft_model = random_adapter(tmp_path / "base", tmp_path / "adapter")
    model = our_adapted(tmp_path / "base", tmp_path / "adapter", groups)
    ids = random_row(TOKENS)

    def logits():
        with megatron_calls(), torch.no_grad():
            hidden = model.hidden_states(model.embed(ids), packed_row([TOKENS], groups))
            return hidden.squeeze(1) @ model.head_weight().T

    with torch.no_grad():
        adapted = peft_model(ids[None]).logits[0]
        with peft_model.disable_adapter():
            base = peft_model(ids[None]).logits[0]
    torch.testing.assert_close(logits(), adapted, rtol=0, atol=1e-4)
    with without_adapters(model):
        without = logits()
    torch.testing.assert_close(without, base, rtol=0, atol=1e-4)
    assert (adapted - base).abs().max() > 0.1
    initialize_adapters(model, read_architecture(tmp_path / "base"), 7, groups)
    assert torch.equal(logits(), without)


class AnotherMake(torch.nn.Module):
    """A linear as TransformerEngine's are to their layer: its weight, and (output, no bias) of [T, B, I]."""

    def __init__(self, linear: torch.nn.Module) -> None:
        super().__init__()
        self.weight = linear.weight

    def forward(self, inputs):
        return F.linear(inputs, self.weight), None


def test_linears_of_another_make_are_adapted_as_megatrons_are(tmp_path, groups):
    random_llama(tmp_path)
    architecture, found = read_architecture(tmp_path), []
    for make in (lambda linear: linear, AnotherMake):
        model = build_model(architecture, groups)
        load_weights(model, tmp_path, groups)
        for layer in model.decoder.layers:
            for parent, name in ((layer.self_attention, "linear_qkv"), (layer.mlp, "linear_fc2")):
                setattr(parent, name, make(getattr(parent, name)))
        add_adapters(model, LoraSettings(targets=TARGETS), groups)
        initialize_adapters(model, architecture, 7, groups)
        for _, adapter in adapters_of(model):
            for b in adapter.B.values():
                torch.nn.init.normal_(b, std=0.1, generator=torch.Generator().manual_seed(len(b)))
        found.append(our_loss_and_gradients(model, architecture, groups))
    (loss, gradients), (other_loss, other) = found
    assert other_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-5, atol=1e-5 * gradient.abs().max().item())


def test_recomputed_layers_learn_the_same_bits_under_a_frozen_embedding(tmp_path, groups):
    random_adapter(tmp_path / "base", tmp_path / "adapter")
    architecture, results = read_architecture(tmp_path / "base"), []
    for recompute in ("none", "selective", "full"):
        model = our_adapted(tmp_path / "base", tmp_path / "adapter", groups, recompute)
        results.append(our_loss_and_gradients(model, architecture, groups))
    (loss, gradients), *others = results
    for other_loss, other in others:
        assert other_loss == loss
        assert all(torch.equal(other[name], gradient) for name, gradient in gradients.items())


def test_only_what_is_trained_has_gradient_buffers_and_adam_states(tmp_path, groups):
    random_llama(tmp_path)
    model = build_model(read_architecture(tmp_path), groups)
    add_adapters(model, LoraSettings(rank=2, train_norms=True), groups)
    ddp = wrap_model(model, groups)
    optimizer = build_optimizer(ddp, TrainSettings(**train_settings()), groups)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name or name.endswith("norm.weight") for name in names)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    held = sum(parameter.main_grad.numel() for parameter in model.parameters() if hasattr(parameter, "main_grad"))
    assert held == trained < 0.2 * sum(parameter.numel() for parameter in model.parameters())
    assert sum(each.numel() for group in optimizer.param_groups for each in group["params"]) == trained


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"rank": 0}, "greater than 0"),
        ({"targets": []}, "at least 1 item"),
        ({"targets": ["q_proj", "q_proj"]}, "named twice"),
        ({"targets": ["qkv"]}, "should be 'q_proj'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, complaint):
    with pytest.raises(InputError, match=complaint):
        validated(LoraSettings, values, "lora")


def test_targets_in_another_order_are_the_same_settings():
    assert LoraSettings(targets=("v_proj", "q_proj")) == LoraSettings(targets=("q_proj", "v_proj"))
