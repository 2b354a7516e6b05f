import random

import pytest
import torch
from transformers import AutoModelForCausalLM

from contracts.errors import InputError
from eval.backends import decoding
from eval.backends.request import Request
from eval.backends.settings import GenerationSettings, backend_facts
from eval.backends.transformers_backend import open_backend
from eval.inference.settings import InferenceSettings

FLOAT32 = GenerationSettings(batch_rows=4)


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    source = random.Random(seed)
    return [[source.randrange(3, 512) for _ in range(source.choice([1, 5, 30, 60, 61]))] for _ in range(count)]


def requests(count: int, most: int = 12, **more) -> list[Request]:
    return [Request(ids, most + index % 5, **more) for index, ids in enumerate(prompts(count))]


@pytest.fixture(scope="module")
def backend(model_folder, tokenizer):
    return open_backend(str(model_folder), tokenizer, FLOAT32, device="cpu")


@pytest.fixture(scope="module")
def tied_folder(make_model):
    """A model that gives every token and its neighbour the same logit, as near a tie as can be."""
    folder = make_model(seed=5, scale=4.0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        head = model.get_output_embeddings().weight
        head[1::2] = head[0::2]
    model.save_pretrained(folder)
    return folder


def generated(folder, request: Request, **options) -> list[int]:
    """What transformers' own `generate` answers to one prompt."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([request.input_ids])
    tokens = model.generate(ids, max_new_tokens=request.most, do_sample=False, pad_token_id=0, **options)[
        0, len(ids[0]) :
    ]
    return [token for token in tokens.tolist() if token != 2]


def with_rows(folder, tokenizer, rows: int, **more):
    return open_backend(str(folder), tokenizer, GenerationSettings(batch_rows=rows, **more), device="cpu")


def test_answers_side_by_side_are_those_of_generate_alone(backend, model_folder, tokenizer):
    asked = requests(20)
    found = list(backend.answers(asked))
    for request, answer in zip(asked, found, strict=True):
        tokens = generated(model_folder, request)
        assert answer.tokens == len(tokens)
        assert answer.text == tokenizer.decode(tokens)


@pytest.mark.parametrize(("rows", "most_tokens"), [(1, 10**6), (2, 150), (7, 10**6), (64, 1), (64, 10**6)])
def test_neither_the_number_of_rows_nor_their_order_changes_an_answer(model_folder, tokenizer, rows, most_tokens):
    asked = requests(17)
    expected = list(with_rows(model_folder, tokenizer, 1).answers(asked))
    backend = with_rows(model_folder, tokenizer, rows, batch_tokens=most_tokens)
    assert list(backend.answers(asked)) == expected
    order = random.Random(1).sample(range(17), 17)
    assert list(backend.answers([asked[index] for index in order])) == [expected[index] for index in order]


def test_where_two_tokens_tie_exactly_the_rows_are_answered_alone(tied_folder, tokenizer, monkeypatch):
    alone = []
    monkeypatch.setattr(decoding.Decoder, "answer_alone", spied(decoding.Decoder.answer_alone, alone))
    asked = requests(9)
    found = list(with_rows(tied_folder, tokenizer, 4).answers(asked))
    assert alone
    assert found == list(with_rows(tied_folder, tokenizer, 1).answers(asked))


def spied(method, calls: list):
    def call(self, row):
        calls.append(row.index)
        return method(self, row)

    return call


def test_answers_come_in_order_as_soon_as_they_are_there(backend):
    short, long = Request(prompts(1)[0], 1), Request(prompts(1, 1)[0], 40)
    answers = backend.answers([short, long, short])
    assert next(answers).tokens <= 1
    assert len(list(answers)) == 2


def test_an_answer_is_cut_before_its_first_stop_string(backend, tokenizer):
    request = Request(prompts(1)[0], 30)
    text = next(backend.answers([request])).text
    assert len(text) > 10
    stop = text[6:8]
    cut = next(backend.answers([Request(request.input_ids, 30, stop=("never there", stop))]))
    assert cut.text == text[: text.find(stop)]
    assert cut.tokens < 30


def test_an_answer_does_not_end_before_its_least_number_of_tokens(model_folder, tokenizer):
    backend = with_rows(model_folder, tokenizer, 4)
    asked = requests(6)
    free = list(backend.answers(asked))
    ends = tokenizer.encode(free[0].text)[:1]
    backend.model.generation_config.eos_token_id = [2, *ends]
    for least in (0, 1, 5):
        found = list(backend.answers([Request(r.input_ids, r.most, least) for r in asked]))
        assert all(answer.tokens >= least for answer in found)
        for request, answer in zip(asked, found, strict=True):
            expected = backend.model.generate(
                torch.tensor([request.input_ids]),
                max_new_tokens=request.most,
                min_new_tokens=least,
                do_sample=False,
                pad_token_id=0,
                eos_token_id=[2, *ends],
            )[0, len(request.input_ids) :].tolist()
            assert answer.text == tokenizer.decode([token for token in expected if token not in (2, *ends)])


def test_a_stop_string_that_is_one_token_cannot_come_before_the_least_number(backend, tokenizer):
    request = Request(prompts(1)[0], 20)
    tokens = generated_tokens(backend, request)
    stop = tokenizer.decode(tokens[:1])
    free = next(backend.answers([Request(request.input_ids, 20, stop=(stop,))]))
    held = next(backend.answers([Request(request.input_ids, 20, least=1, stop=(stop,))]))
    assert free.text == ""
    assert held.text != ""


def generated_tokens(backend, request: Request) -> list[int]:
    return backend.model.generate(
        torch.tensor([request.input_ids]), max_new_tokens=request.most, do_sample=False, pad_token_id=0
    )[0, len(request.input_ids) :].tolist()


def test_in_bfloat16_neighbours_change_nothing_while_the_number_of_rows_stays(model_folder, tokenizer):
    asked = requests(9)
    backend = with_rows(model_folder, tokenizer, 4, dtype="bfloat16")
    together = list(backend.answers(asked))
    assert together == [next(backend.answers([request])) for request in asked]
    assert backend_facts(GenerationSettings(batch_rows=4, dtype="bfloat16"), "cpu")["batch_rows"] == 4
    assert "batch_rows" not in backend_facts(GenerationSettings(batch_rows=4), "cpu")


@pytest.mark.parametrize("method", ["flexprefill", "xattention"])
def test_sparse_attention_that_keeps_all_is_dense_to_the_bit(model_folder, tokenizer, method):
    dense = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    options = InferenceSettings.model_validate(
        {"flexprefill": {"gamma": 1, "min_budget": 8, "block": 8}, "xattention": {"threshold": 1, "block": 8}}
    )
    sparse = open_backend(str(model_folder), tokenizer, FLOAT32, method, options, "cpu")
    ids = torch.tensor([prompts(1, seed)[0] for seed in range(6) if len(prompts(1, seed)[0]) > 50][:1])
    with torch.no_grad():
        assert torch.equal(sparse.model(ids).logits, dense(ids).logits)
    losses, share = sparse.losses(ids[0].tolist())
    assert share == 1.0
    assert len(losses) == ids.shape[1] - 1
    assert list(sparse.answers(requests(5))) != []


@pytest.mark.parametrize("method", ["flexprefill", "xattention"])
def test_sparse_attention_that_leaves_blocks_out_says_how_many_it_computed(model_folder, tokenizer, method):
    options = InferenceSettings.model_validate(
        {
            "flexprefill": {"gamma": 0.2, "min_budget": 8, "block": 8},
            "xattention": {"threshold": 0.2, "block": 8, "stride": 4},
        }
    )
    sparse = open_backend(str(model_folder), tokenizer, FLOAT32, method, options, "cpu")
    dense = open_backend(str(model_folder), tokenizer, FLOAT32, device="cpu")
    source = random.Random(2)
    asked = [Request([source.randrange(3, 512) for _ in range(200)], 8) for _ in range(5)]
    found = list(sparse.answers(asked))
    assert all(0.05 < answer.computed_blocks < 0.9 for answer in found)
    assert [answer.text for answer in found] != [answer.text for answer in dense.answers(asked)]
    assert found == [next(sparse.answers([request])) for request in asked]
    assert sparse.losses(asked[0].input_ids)[1] == found[0].computed_blocks


def test_profiled_thresholds_must_fit_the_model(model_folder, tokenizer, tmp_path):
    path = tmp_path / "thresholds.json"
    options = InferenceSettings.model_validate({"xattention": {"thresholds": str(path), "block": 8}})
    path.write_text("[[1, 1, 1, 1], [1, 1, 1, 0.5]]")
    open_backend(str(model_folder), tokenizer, FLOAT32, "xattention", options, "cpu")
    path.write_text("[[1, 1], [1, 1]]")
    with pytest.raises(InputError, match="2 layers of 4 heads"):
        open_backend(str(model_folder), tokenizer, FLOAT32, "xattention", options, "cpu")


def test_a_model_with_sliding_windows_is_answered_one_by_one_and_has_no_sparse_form(model_folder, tokenizer, tmp_path):
    import shutil

    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    MistralForCausalLM(
        MistralConfig(
            vocab_size=512,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            sliding_window=16,
            eos_token_id=2,
        )
    ).save_pretrained(tmp_path)
    shutil.copy(model_folder / "tokenizer.model", tmp_path)
    backend = with_rows(tmp_path, tokenizer, 4)
    for request, answer in zip(requests(5), backend.answers(requests(5)), strict=True):
        assert answer.text == tokenizer.decode(generated(tmp_path, request))
    with pytest.raises(InputError, match="attend to everything"):
        open_backend(str(tmp_path), tokenizer, FLOAT32, "flexprefill", device="cpu")
