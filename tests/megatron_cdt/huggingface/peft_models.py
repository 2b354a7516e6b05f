"""Adapters that PEFT has made, with every value random, on the random models of transformers."""

from pathlib import Path

import pytest
import torch

from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.model import LanguageModel, ModelOptions, build_model
from megatron_cdt.engine.options import Recompute
from megatron_cdt.huggingface.adapter_folder import AdapterFolder
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import load_adapter, load_weights
from tests.megatron_cdt.huggingface.models import random_model

NORMS = ["input_layernorm", "post_attention_layernorm", "norm"]


def random_adapter(base: Path, adapter: Path, family: str = "llama", lora: LoraSettings | None = None, **changes):
    """A model of transformers in `base`, and PEFT's model with a random adapter of it, saved in `adapter`."""
    peft = pytest.importorskip("peft", reason="peft is not installed (pip install peft); it is the oracle of LoRA")
    lora = lora or LoraSettings()
    model = random_model(base, family, **changes)
    head_norms = ["q_norm", "k_norm"] if family == "qwen3" else []
    # PEFT trains copies of modules: of a tied model it has to be told to train the head too.
    tied = lora.train_embeddings and model.config.tie_word_embeddings
    whole = ["embed_tokens"] * lora.train_embeddings + ["lm_head"] * tied + (NORMS + head_norms) * lora.train_norms
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=list(lora.targets),
        modules_to_save=whole or None,
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(model, config).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.1)
        if tied:
            adapted.get_output_embeddings().weight.copy_(adapted.get_input_embeddings().weight)
    adapted.save_pretrained(adapter)
    return adapted


def our_adapted(base: Path, adapter: Path, groups, recompute: Recompute = "none") -> LanguageModel:
    """Our model with the folders' weights."""
    architecture, source = read_architecture(base), AdapterFolder(adapter)
    model = build_model(architecture, groups, ModelOptions(recompute=recompute))
    load_weights(model, base, groups)
    add_adapters(model, source.settings(architecture), groups)
    load_adapter(model, source, groups)
    return model
