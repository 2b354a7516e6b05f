"""config.json: every spelling of the same model reads the same, and another maths is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from contracts.errors import InputError
from megatron_cdt.architecture import Architecture, RopeScaling
from megatron_cdt.huggingface.config import read_architecture, write_config

LLAMA = {
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
}
STRETCH = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def read(folder, **changes):
    (folder / "config.json").write_text(json.dumps(LLAMA | changes))
    return read_architecture(folder)


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
FAMILIES = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {"use_sliding_window": False, "sliding_window": 131072, "max_window_layers": 28},
    "qwen3": {"attention_bias": False, "use_sliding_window": False, "sliding_window": None, "head_dim": 16},
}

architectures = st.builds(
    lambda heads, groups, head_dim, scaling, **rest: Architecture(
        hidden_size=8 * heads * groups,
        num_attention_heads=heads * groups,
        num_key_value_heads=groups,
        head_dim=2 * head_dim,
        rope_scaling=scaling,
        **rest,
    ),
    heads=st.integers(1, 4),
    groups=st.integers(1, 4),
    head_dim=st.integers(1, 64),
    scaling=st.one_of(
        st.none(),
        st.builds(RopeScaling, rope_type=st.just("linear"), factor=st.floats(1, 64)),
        st.builds(
            RopeScaling,
            rope_type=st.just("llama3"),
            factor=st.floats(1, 64),
            original_max_position_embeddings=st.integers(1, 9999),
        ),
        st.builds(
            RopeScaling,
            rope_type=st.just("yarn"),
            factor=st.floats(1, 64),
            beta_slow=st.floats(0.5, 2),
            attention_factor=st.none() | st.floats(0.5, 2),
            truncate=st.booleans(),
            original_max_position_embeddings=st.integers(1, 9999),
        ),
    ),
    family=st.sampled_from(sorted(FAMILIES)),
    vocab_size=st.integers(1, 200_000),
    num_layers=st.integers(1, 99),
    ffn_hidden_size=st.integers(1, 9999),
    max_position_embeddings=st.integers(1, 200_000),
    rms_norm_eps=st.floats(1e-7, 1e-3),
    rope_theta=st.floats(1, 1e8),
    tie_word_embeddings=st.booleans(),
    dtype=st.sampled_from(["float32", "bfloat16", "float16"]),
)


@given(architectures)
def test_what_is_written_reads_as_the_same_architecture(tmp_path_factory, architecture):
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.json").write_text(json.dumps(write_config(architecture, 1, 2)))
    assert read_architecture(folder) == architecture


@pytest.mark.parametrize(
    ("family", "biases"),
    [
        ("llama", {"attention_bias": True}),
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"mlp_bias": True}),
        ("qwen3", {"attention_bias": True}),
    ],
)
def test_biases_are_read_and_written(tmp_path, family, biases):
    architecture = read(tmp_path, model_type=family, **FAMILIES[family] | biases)
    assert {key: getattr(architecture, key) for key in biases} == biases
    (tmp_path / "config.json").write_text(json.dumps(write_config(architecture, 1, 2)))
    assert read_architecture(tmp_path) == architecture
    config = AutoConfig.from_pretrained(tmp_path)
    assert {key: getattr(config, key) for key in biases} == biases


SCALINGS = [
    None,
    {"rope_type": "linear", "factor": 2.0},
    STRETCH | {"rope_type": "llama3"},
    YARN,
    YARN | {"truncate": False},
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_transformers_reads_what_is_written(tmp_path, scaling, dtype):
    architecture = read(tmp_path, rope_theta=5e5, rope_scaling=scaling, head_dim=16, torch_dtype=dtype)
    (tmp_path / "config.json").write_text(json.dumps(write_config(architecture, 1, None)))
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, LlamaConfig)
    assert config.rope_parameters.items() >= {"rope_theta": 5e5, **(scaling or {"rope_type": "default"})}.items()
    assert str(config.dtype) == f"torch.{dtype}"
    assert (config.bos_token_id, config.eos_token_id, config.head_dim) == (1, None, 16)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_is_the_same_class_of_model_in_transformers(tmp_path, family):
    architecture = read(tmp_path, model_type=family, **FAMILIES[family])
    (tmp_path / "config.json").write_text(json.dumps(write_config(architecture, 1, 2)))
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.model_type == architecture.family == family
    assert getattr(config, "sliding_window", None) is None
    assert type(AutoModelForCausalLM.from_config(config)).__name__ == config.architectures[0]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_what_transformers_writes_is_read(tmp_path, scaling):
    rope = {"rope_theta": 5e5, **(scaling or {"rope_type": "default"})}
    LlamaConfig(**LLAMA, rope_parameters=rope, tie_word_embeddings=True, dtype="bfloat16").save_pretrained(tmp_path)
    architecture = read_architecture(tmp_path)
    expected = read(tmp_path, rope_theta=5e5, rope_scaling=scaling, tie_word_embeddings=True, torch_dtype="bfloat16")
    assert architecture == expected


@pytest.mark.parametrize(
    "older",
    [
        {"rope_theta": 5e5, "rope_scaling": STRETCH | {"type": "llama3"}},
        {"rope_theta": 5e5, "rope_scaling": STRETCH | {"rope_type": "llama3"}},
        {"rope_scaling": STRETCH | {"rope_type": "llama3", "rope_theta": 5e5}},
        {"rope_scaling": None, "rope_parameters": STRETCH | {"type": "llama3", "rope_theta": 5e5}},
    ],
)
def test_every_spelling_of_rope_reads_the_same(tmp_path, older):
    newer = read(tmp_path, rope_parameters=STRETCH | {"rope_type": "llama3", "rope_theta": 5e5})
    assert newer.rope_theta == 5e5
    assert newer.rope_scaling == RopeScaling(rope_type="llama3", **STRETCH)
    assert read(tmp_path, **older) == newer


@pytest.mark.parametrize("spelling", [{}, {"rope_scaling": None}, {"rope_scaling": {"type": "default"}}])
def test_plain_rope_has_the_usual_base(tmp_path, spelling):
    architecture = read(tmp_path, **spelling)
    assert (architecture.rope_theta, architecture.rope_scaling) == (10000.0, None)


def test_head_dim_and_key_value_heads_follow_from_the_rest_where_absent(tmp_path):
    architecture = read(tmp_path, num_key_value_heads=None, head_dim=None)
    assert (architecture.num_key_value_heads, architecture.head_dim) == (6, 8)


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_both_spellings_of_the_dtype_are_read(tmp_path, key):
    assert read(tmp_path, **{key: "bfloat16"}).dtype == "bfloat16"


@pytest.mark.parametrize("window", [None, 4096])
def test_the_window_of_a_mistral_is_kept(tmp_path, window):
    mistral = read(tmp_path, model_type="mistral", sliding_window=window)
    assert mistral.sliding_window == window
    assert write_config(mistral, 1, 2)["sliding_window"] == window


def test_mistral_without_a_window_is_a_llama(tmp_path):
    mistral = read(tmp_path, model_type="mistral", sliding_window=None)
    assert mistral == read(tmp_path).model_copy(update={"family": "mistral"})


@pytest.mark.parametrize("family", FAMILIES)
def test_what_config_json_leaves_out_is_what_transformers_takes(tmp_path, family):
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    silent = {key: LLAMA[key] for key in sizes} | {"num_attention_heads": 32, "hidden_size": 320, "model_type": family}
    (tmp_path / "config.json").write_text(json.dumps(silent))
    ours, theirs = read_architecture(tmp_path), AutoConfig.from_pretrained(tmp_path)
    if family == "mistral":
        assert ours.sliding_window == theirs.sliding_window == 4096
    keys = ("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings")
    assert {key: getattr(ours, key) for key in keys} == {key: getattr(theirs, key) for key in keys}
    assert ours.rope_theta == theirs.rope_parameters["rope_theta"]
    assert ours.head_dim == getattr(theirs, "head_dim", 10)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "mixtral"}, "model_type 'mixtral' is not supported; supported: llama, mistral, qwen2, qwen3"),
        ({"model_type": "qwen3_moe"}, "model_type 'qwen3_moe' is not supported"),
        ({"model_type": "qwen2", "num_experts": 8}, "num_experts 8"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window true"),
        ({"model_type": "qwen3", "layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention"),
        ({"model_type": "qwen3", "mlp_bias": True}, "mlp_bias true"),
        ({"model_type": "mistral", "sliding_window": None, "attention_bias": True}, "attention_bias true"),
        ({"model_type": "qwen2", "dual_chunk_attention_config": {"chunk_size": 9}}, "dual_chunk_attention_config"),
        ({"model_type": "qwen3", "hidden_act": "gelu"}, 'hidden_act "gelu"'),
        ({"sliding_window": 1024}, "sliding_window 1024"),
        ({"model_type": None}, "supported: llama"),
        ({"model_type": "mistral", "sliding_window": 0}, "sliding_window"),
        ({"hidden_act": "gelu"}, 'hidden_act "gelu"'),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
        (
            {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
            "'dynamic' is not supported; supported: default",
        ),
        ({"rope_scaling": {"rope_type": "longrope", "long_factor": [1.0]}}, "'longrope' is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, "yarn needs original_max_position_embeddings"),
        ({"rope_parameters": YARN | {"mscale": 0.7, "mscale_all_dim": 0.7}}, "yarn with mscale 0.7"),
        ({"rope_parameters": YARN | {"truncate": None}}, "yarn with truncate null"),
        ({"rope_parameters": YARN | {"beta_fast": 1, "beta_slow": 32}}, "beta_fast 1.0 must be above beta_slow 32.0"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "one flat object"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_type llama3 needs low_freq_factor"),
        ({"rope_scaling": {"rope_type": "linear"}}, "rope_type linear needs factor"),
        ({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}}, "remove the wrong one"),
        ({"num_key_value_heads": 4}, "must be a multiple of"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": 50}, "must be a multiple of num_attention_heads"),
        ({"torch_dtype": "float64"}, "dtype"),
    ],
)
def test_another_maths_is_refused_in_one_line_that_names_the_file(tmp_path, changes, complaint):
    with pytest.raises(InputError) as refusal:
        read(tmp_path, **changes)
    assert complaint in str(refusal.value)
    assert "config.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_config_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="fetch the file again"):
        read_architecture(tmp_path)


def test_a_folder_without_a_config_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_architecture(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_architecture(tmp_path / "absent")
