"""Judge and entailment model from folders: tiny random models that say nothing, loaded and asked as real ones are."""

import pytest
import tokenizers
import torch
from tokenizers import models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from contracts.errors import InputError
from eval.benchmarks.helmet import score_cited, score_judged
from eval.benchmarks.helmet.score_cited import load_entailment

WORDS = ("<pad>", "</s>", "<unk>", "0", "1", "the", "answer", "premise", "hypothesis", ":", "{", "}", '"')


@pytest.fixture(scope="module")
def word_tokenizer():
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory, word_tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
    )
    folder = tmp_path_factory.mktemp("judge") / "tiny-judge"
    LlamaForCausalLM(config).save_pretrained(folder)
    word_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def nli_folder(tmp_path_factory, word_tokenizer):
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    folder = tmp_path_factory.mktemp("nli") / "tiny-nli"
    T5ForConditionalGeneration(config).save_pretrained(folder)
    word_tokenizer.save_pretrained(folder)
    return folder


def test_a_model_without_a_verdict_leaves_the_sample_without_a_score(judge_folder, monkeypatch):
    monkeypatch.setattr(score_judged, "ANSWER_TOKENS", 8)
    row = {"prediction": "the answer", "answers": ["the"], "question": "the ?"}
    scored = score_judged.score("narrativeqa", [row], {"judge": str(judge_folder)})
    assert scored.per_sample == [None]
    assert scored.score is None
    assert scored.metrics["judge"] == "model tiny-judge"


def test_an_entailment_model_is_asked_in_its_own_form_and_named(nli_folder):
    assert load_entailment(str(nli_folder)).entails("the answer", "the") in (True, False)
    row = {"prediction": "one [1]", "answers": ["one"], "aliases": [["one"]], "question": "the"}
    row["documents"] = [{"title": "the", "text": "answer"}]
    scored = score_cited.score("qampari", [row], {"nli": str(nli_folder)})
    assert scored.metrics["nli"] == "model tiny-nli"
    assert scored.metrics["qampari_recall_top5"] == 100


@pytest.mark.parametrize(("task", "key"), [("narrativeqa", "judge"), ("qampari", "nli")])
def test_a_folder_that_is_no_model_is_one_line(task, key, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    module = {"judge": score_judged, "nli": score_cited}[key]
    with pytest.raises(InputError, match="cannot be loaded"):
        module.score(task, [], {key: str(tmp_path)})
