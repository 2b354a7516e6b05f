"""The plan of a run, without Snakemake: which job reads what, and which settings reach it."""

import copy
import json
import shlex
from types import SimpleNamespace

import pytest

from contracts.errors import InputError
from data_prep.settings import CorpusSettings
from eval.cells import answered_by_trainer, cell_settings, suits
from tests.copy_of_repository import REPOSITORY
from tests.workflow.conftest import WHOLE_RUN
from workflow.run_config import check_against_schema, check_places, fill_defaults, read_schema
from workflow.run_plan import RunPlan, any_of, launcher

SCHEMA = read_schema()


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def configuration(**changes) -> dict:
    """The configuration of config/books.yaml with its defaults; `changes` replace sections."""
    config = copy.deepcopy(WHOLE_RUN | changes)
    fill_defaults(config, SCHEMA, SCHEMA["$defs"])
    return config


def plan_of(**changes) -> RunPlan:
    return RunPlan(configuration(**changes), SCHEMA)


def cell(benchmark: str, task: str, length: int = 1024, **more: str) -> SimpleNamespace:
    return SimpleNamespace(benchmark=benchmark, task=task, length=str(length), **more)


def changed(config: dict, section: str, key: str, value: object) -> RunPlan:
    other = copy.deepcopy(config)
    other[section][key] = value
    return RunPlan(other, SCHEMA)


def test_a_training_is_given_its_own_method_s_section_and_no_other():
    settings = plan_of().train_settings("cdt")
    assert settings["method"] == "cdt"
    assert "cdt" in settings
    assert not {"ce", "longce", "logo", "sft", "methods"} & settings.keys()


def test_another_method_s_settings_leave_the_run_folder_of_a_training():
    config = configuration()
    before = RunPlan(config, SCHEMA)
    after = changed(config, "train", "longce", {**config["train"]["longce"], "clip": 2.0})
    assert after.run_folder("cdt") == before.run_folder("cdt")
    assert after.run_folder("longce") != before.run_folder("longce")


def test_a_variant_is_its_method_with_the_settings_that_it_changes_and_leaves_the_other_trainings():
    variants = {"strong": {"method": "cdt", "cdt": {"beta": 500.0}}, "longer": {"method": "ce", "steps": 999}}
    plain, plan = plan_of(), plan_of(train={**WHOLE_RUN["train"], "variants": variants})
    assert plan.methods == [*plain.methods, "strong", "longer"]
    cdt, strong = plan.train_settings("cdt"), plan.train_settings("strong")
    assert strong == {**cdt, "cdt": {**cdt["cdt"], "beta": 500.0}}
    assert plan.train_settings("longer") == {**plan.train_settings("ce"), "steps": 999}
    assert [plan.run_folder(name) for name in plain.methods] == [plain.run_folder(name) for name in plain.methods]
    assert plan.code_of_training("strong") == plan.code_of_training("cdt") != plan.code_of_training("longer")


def test_a_method_that_learns_from_pairs_reads_them_and_the_others_the_plain_rows():
    variants = {"no_contrast": {"method": "focused", "focused": {"weight": 0}}}
    plan = plan_of(train={**WHOLE_RUN["train"], "methods": ["sft", "focused"], "variants": variants}, pairs={})
    packs = [plan.packs_of(name).removeprefix("results/demo/") for name in ("sft", "focused", "no_contrast")]
    assert packs == ["packs/train", "paired_packs/train", "paired_packs/train"]
    assert "chunk_length" in plan.data.pair_settings("rank")
    assert plan.data.retriever() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("checkpoint_interval", 7), ("checkpoint_async", True), ("keep_checkpoints", 9), ("sinks", ["tensorboard"])],
)
def test_when_files_are_written_leaves_the_run_folder(key, value):
    config = configuration()
    before, after = RunPlan(config, SCHEMA), changed(config, "train", key, value)
    assert after.run_folder("cdt") == before.run_folder("cdt")
    assert after.train_settings("cdt") != before.train_settings("cdt")


@pytest.mark.parametrize(
    ("key", "value"), [("steps", 161), ("learning_rate", 1e-3), ("seed", 5), ("recompute", "full")]
)
def test_what_decides_a_number_is_in_the_run_folder_s_name(key, value):
    config = configuration()
    assert changed(config, "train", key, value).run_folder("cdt") != RunPlan(config, SCHEMA).run_folder("cdt")


def test_the_settings_of_a_cell_hold_nothing_of_another_benchmark_or_task_or_length():
    plan = plan_of()
    for benchmark, task, length in plan.cells:
        told = json.loads(plan.sample_settings(cell(benchmark, task, length)))
        assert set(told["benchmarks"]) == {benchmark}
        assert told["benchmarks"][benchmark]["tasks"] == [task]
        assert told["benchmarks"][benchmark]["lengths"] == [length]
        others = {name for name, other, _ in plan.cells if name == benchmark and other != task}
        assert not others & told["benchmarks"][benchmark].keys()


def generation_of(plan: RunPlan, benchmark: str, task: str, way: str = "dense") -> dict | None:
    """The settings of generation that decide the answers of a cell."""
    return json.loads(plan.decisive_answer_settings(cell(benchmark, task, way=way))).get("generation")


def plan_generating(**generation) -> RunPlan:
    section = configuration()["eval"]
    return plan_of(eval={**section, "generation": {**section["generation"], **generation}})


def test_answers_depend_on_the_settings_of_generation_that_decide_their_bytes():
    kept = {"backend": "transformers", "dtype": "float32"}
    plan = plan_generating(batch_rows=3)
    assert generation_of(plan, "ruler", "vt") == generation_of(plan, "perplexity", "books") == kept
    plan = plan_generating(batch_rows=3, batch_tokens=99, dtype="bfloat16")
    kept = {"backend": "transformers", "dtype": "bfloat16"}
    assert generation_of(plan, "perplexity", "books") == generation_of(plan, "longppl", "books") == kept
    assert generation_of(plan, "ruler", "vt") == {**kept, "batch_rows": 3, "batch_tokens": 99}


@pytest.mark.parametrize(("cross_check", "more"), [(0, {}), (2, {"batch_rows": 3, "batch_tokens": 99})])
def test_answers_of_vllm_depend_on_batches_where_transformers_checks_them(cross_check, more):
    choice = {"backend": "vllm", "dtype": "bfloat16"}
    plan = plan_generating(**choice, batch_rows=3, batch_tokens=99, cross_check=cross_check)
    assert generation_of(plan, "ruler", "vt") == {**choice, "cross_check": cross_check, **more}
    assert generation_of(plan, "longppl", "books") == choice


def test_the_command_that_answers_is_told_all_settings_of_generation():
    plan = plan_generating(batch_rows=3)
    told = json.loads(plan.answer_settings(cell("ruler", "vt", way="dense")))["generation"]
    assert told == {**configuration()["eval"]["generation"], "batch_rows": 3}


MIX = {"longmit": {"path": "a", "samples": 1}, "longalpaca": {"path": "b", "samples": 1}}
READ_BY_ALL = {"source", "path", "line_ends", "on_bad_record", "max_record_megabytes"}


@pytest.mark.parametrize(
    ("source", "more"),
    [("pg19", set()), ("text", {"text_field", "id_field"}), ("drills", {"drills"})],
)
def test_a_source_is_told_what_it_reads_of_the_corpus(source, more):
    told = json.loads(plan_of(corpus={**WHOLE_RUN["corpus"], "source": source}).data.corpus())
    assert told.keys() == READ_BY_ALL | more
    assert CorpusSettings.model_validate(told).source == source


@pytest.mark.parametrize("dataset", ["longmit", "longalpaca"])
def test_a_set_of_samples_is_told_nothing_of_another_source(dataset):
    corpus = {**WHOLE_RUN["corpus"], "source": "drills", "drills": {"samples": 3}, "id_field": "key"}
    told = json.loads(plan_of(corpus=corpus, mix=MIX).data.set_corpus(dataset))
    assert told.keys() == READ_BY_ALL | {"id_field"}
    assert (told["source"], told["path"], told["id_field"]) == (dataset, MIX[dataset]["path"], "key")


def test_a_set_that_tells_no_evidence_and_no_language_is_not_chosen_by_them():
    plan = plan_of(mix=MIX)
    known, unknown = (json.loads(plan.data.set_tokenize(name))["samples"] for name in ("longmit", "longalpaca"))
    assert known.keys() - unknown.keys() == {"min_evidence", "max_evidence", "languages"}


def test_documents_become_tokens_without_the_settings_of_samples():
    assert json.loads(plan_of().data.tokenize_settings()).keys() == {"bos", "eos", "shard_megabytes"}


def test_a_given_tokenizer_is_told_only_where_it_lies():
    plan = plan_of(tokenizer={"path": "given.model", "vocab_size": 999})
    assert (plan.data.tokenizer_settings(), plan.data.tokenizer_corpus()) == ('{"path":"given.model"}', "{}")
    assert plan.code_of_tokenizer() != plan_of().code_of_tokenizer()
    trained = json.loads(plan_of(tokenizer={"vocab_size": 999}).data.tokenizer_settings())
    assert trained["vocab_size"] == 999


def test_a_given_model_s_start_draws_no_weights():
    assert "seed" not in json.loads(plan_of(model={"hugging_face": "folder", "seed": 5}).start_settings())
    assert json.loads(plan_of(model={**WHOLE_RUN["model"], "seed": 5}).start_settings())["seed"] == 5


def test_the_files_of_a_given_model_and_of_its_adapter_are_inputs_of_the_start(tmp_path):
    for name in ("model", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name)
    given = {"hugging_face": str(tmp_path / "model"), "adapter": str(tmp_path / "adapter")}
    assert plan_of(model=given).given_model() == {
        "hugging_face": [str(tmp_path / "model/weights")],
        "adapter": [str(tmp_path / "adapter/weights")],
    }
    assert plan_of(model=given | {"adapter": None}).given_model().keys() == {"hugging_face"}


@pytest.mark.parametrize("benchmark", ["perplexity", "longppl"])
def test_the_first_reports_of_a_file_are_not_drawn(benchmark):
    section = configuration()["eval"]
    settings = cell_settings(section, benchmark, "govreport", 1024)
    assert "seed" not in settings
    assert "samples" not in settings["benchmarks"][benchmark]
    assert "samples" in settings["benchmarks"][benchmark]["govreport"]
    assert cell_settings(section, benchmark, "books", 1024)["seed"] == section["seed"]


def test_every_score_has_one_cell_that_answers_it():
    plan = plan_of(eval={**configuration()["eval"], "inference": {"methods": ["dense", "rag"]}})
    pattern = "<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/score.json"
    paths = plan.cell_paths(pattern)
    assert len(paths) == len(set(paths))
    assert set(paths) == {
        pattern.format(model=model, way=way, benchmark=benchmark, task=task, length=length)
        for model in plan.models
        for benchmark, task, length in plan.cells
        for way in (["gradient"] if benchmark == "hops" else ["dense", "rag"])
        if benchmark == "hops" or suits(benchmark, task, way)
    }
    scored = {
        path.replace("results/demo", "<results>")
        for model in plan.models
        for way in plan.ways
        for benchmark in dict.fromkeys(name for name, _, _ in plan.cells)
        for path in plan.scores_of(SimpleNamespace(model=model, way=way, benchmark=benchmark))
    }
    assert scored == set(paths)


def test_every_way_of_answering_is_one_rule_s():
    plan = plan_of()
    assert plan.ways_by(trainer=True) == "gradient"
    assert plan.ways_by(trainer=False) == "dense"
    assert [way for way in plan.ways if answered_by_trainer(way)] == ["gradient"]


def test_a_detector_s_name_in_a_task_is_told_where_it_belongs_now():
    config = configuration()
    config["eval"]["benchmarks"]["hops"]["tasks"] = ["3hop_attention"]
    with pytest.raises(InputError, match=r"eval\.benchmarks\.hops\.tasks: .*eval\.detection"):
        check_against_schema(config, SCHEMA)


def test_the_code_of_a_task_is_not_that_of_another():
    plan = plan_of()
    niah, vt = cell("ruler", "niah_single_1"), cell("ruler", "vt")
    assert plan.code_of_samples(niah) != plan.code_of_samples(vt)
    assert plan.code_of_score(niah) == plan.code_of_score(vt)


def test_a_book_is_an_input_of_its_own_and_one_that_is_fetched_too(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/1.txt").write_text("words")
    (tmp_path / "train/2.txt.partial").write_text("wor")
    fetched = str(tmp_path / "train/3.txt")
    plan = plan_of(
        corpus={"path": str(tmp_path)}, fetch={fetched: {"url": "https://example.org/3", "sha256": "0" * 64}}
    )
    assert plan.data.books("train") == [str(tmp_path / "train/1.txt"), fetched]


def test_paths_with_spaces_quotes_and_dollars_stay_one_word_in_options():
    strange = '/data/it\'s a $HOME "place"/ä;rm'
    config = configuration()
    config["corpus"]["path"] = strange
    options = shlex.split(RunPlan(config, SCHEMA).sample_options(cell("perplexity", "books")))
    assert options[:2] == ["--data", f"books={strange}"]
    pictures = RunPlan(config, SCHEMA).picture_options([strange], [strange] * 3)
    assert shlex.split(pictures).count(strange) == 6


def test_a_launcher_starts_one_task_on_every_node_where_a_profile_has_mpi():
    class Resources(dict):
        __getattr__ = dict.__getitem__

    assert launcher(Resources(), 4) == ""
    said = launcher(Resources(mpi="srun", nodes=2, gres="gpu:8"), 4)
    assert said.split()[:5] == ["srun", "--nodes=2", "--ntasks=2", "--cpus-per-task=4", "--gres=gpu:8"]


def test_a_pattern_of_no_names_matches_nothing():
    assert any_of([]) == "(?!)"
    assert any_of(["a.b", "c"]) == r"a\.b|c"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"packk": {}}, "packk"),
        ({"train": {"steps": 1}}, "train: 'global_batch_rows' is a required property"),
        ({"run": "a b"}, "run: 'a b' does not match"),
    ],
)
def test_what_the_schema_does_not_know_is_refused_by_its_key(change, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        check_against_schema(configuration() | change, SCHEMA)


def test_a_place_that_is_absent_is_named_by_its_key():
    with pytest.raises(InputError, match=r"corpus\.path: nothing at /absent; fetch the corpus to there"):
        check_places(configuration(corpus={"path": "/absent"}))
    config = configuration()
    config["eval"]["benchmarks"]["babilong"] = {"tasks": ["qa1"]}
    with pytest.raises(InputError, match=r"eval\.benchmarks\.babilong: task qa1 needs eval\.data\.babi"):
        check_places(config)


def test_the_code_of_a_method_is_not_that_of_another():
    plan = plan_of()
    assert len({plan.code_of_training(method) for method in ("ce", "longce", "cdt")}) == 3
