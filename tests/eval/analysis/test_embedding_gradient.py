"""The norms of CDT's detection are those of plain autograd on transformers' own loss."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from eval.analysis.embedding_gradient import embedding_gradient, opened, row_embeddings
from eval.analysis.settings import EmbeddingGradientL1Settings
from eval.benchmarks.hops.labelled_rows import IGNORED


def small_llama() -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).double().eval().requires_grad_(False)


def labelled_row(tokens: int = 40) -> dict:
    ids = torch.randint(61, (tokens,), generator=torch.Generator().manual_seed(5)).tolist()
    labels = [IGNORED] * tokens
    labels[-4:] = ids[-4:]
    labels[10] = ids[10]
    return {"input_ids": ids, "labels": labels}


def test_norms_equal_those_of_transformers_own_loss():
    model, row = small_llama(), labelled_row()
    embeddings = model.get_input_embeddings()(torch.tensor([row["input_ids"]])).requires_grad_(True)
    loss = model(inputs_embeds=embeddings, labels=torch.tensor([row["labels"]])).loss
    loss.backward()
    ours, gradient = embedding_gradient(model, row_embeddings(model, row["input_ids"]), row["labels"])
    torch.testing.assert_close(torch.tensor(ours), loss.detach().float(), rtol=1e-6, atol=0)
    # The loss is taken in float32 from the logits on, in both.
    torch.testing.assert_close(gradient, embeddings.grad[0], rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(opened(model, None)(row), embeddings.grad[0].norm(dim=-1), rtol=1e-5, atol=1e-9)


def test_a_token_behind_the_last_label_has_no_gradient():
    model, row = small_llama(), labelled_row()
    row["labels"][-2:] = [IGNORED, IGNORED]
    assert opened(model, None)(row)[-3:].tolist() == [0.0, 0.0, 0.0]
    assert bool((opened(model, None)(row)[:-3] > 0).all())


def test_the_model_keeps_no_gradient():
    model, row = small_llama(), labelled_row()
    opened(model, None)(row)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())


def test_the_scripts_norm_is_the_sum_of_absolute_values():
    model, row = small_llama(), labelled_row()
    gradient = embedding_gradient(model, row_embeddings(model, row["input_ids"]), row["labels"])[1]
    torch.testing.assert_close(opened(model, EmbeddingGradientL1Settings())(row), gradient.abs().sum(-1))
