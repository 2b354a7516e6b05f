"""What a finished run runs again after a change: exactly what depends on it, and nothing else."""

import re

import pytest

from tests.workflow.conftest import WHOLE_RUN

METHODS = WHOLE_RUN["train"]["methods"]
BENCHMARKS = ("perplexity books", "longppl books", "ruler niah_single_1", "ruler vt", "hops 3hop")
READING_BOOKS = ("perplexity books", "longppl books", "hops 3hop")
LENGTHS = WHOLE_RUN["eval"]["lengths"]
LOOKED_AT = {"inspect tokens train", "inspect packs train"}
ROWS = {f"{rule} {split}" for rule in ("tokenize", "pack") for split in ("train", "validation")} | LOOKED_AT


def samples(*tasks, lengths=LENGTHS):
    return {f"build_samples {task} {length}" for task in tasks for length in lengths}


def way_of(task):
    return "gradient" if task == "hops 3hop" else "dense"


def answers(*tasks, models=METHODS, lengths=LENGTHS):
    """The cells of some tasks: prediction and score of every model at every length, and the report."""
    cells = [
        (f"detect_critical_tokens {cell}" if task == "hops 3hop" else f"generate {cell}", f"score {cell}")
        for task in tasks
        for model in models
        for length in lengths
        for cell in [f"{model} {way_of(task)} {task} {length}"]
    ]
    means = {f"aggregate {model} {way_of(task)} {task.split()[0]}" for model in models for task in tasks}
    return {job for cell in cells for job in cell} | means | {"report"}


def trainings(*methods):
    """Trainings and all that their models are asked; LongPPL's key tokens are found by the model `ce`."""
    key_tokens = samples("longppl books") | answers("longppl books") if "ce" in methods else set()
    return {f"train_method {method}" for method in methods} | answers(*BENCHMARKS, models=methods) | key_tokens


EVERYTHING = {"train_tokenizer", "start_model"} | ROWS | samples(*BENCHMARKS) | trainings(*METHODS)


def test_a_finished_run_has_nothing_to_do(project):
    assert project.to_run() == set()


def test_a_run_of_another_name_has_everything_to_do(project):
    assert project.to_run("--config", "run=other") == EVERYTHING


def test_touching_a_train_book_reruns_all_but_nothing_twice(project):
    project.touch("resources/pg19/train/1.txt")
    assert project.to_run() == EVERYTHING


def test_touching_a_validation_book_leaves_the_tokenizer_and_the_training_rows(project):
    project.touch("resources/pg19/validation/3.txt")
    assert project.to_run() == {"tokenize validation", "pack validation"} | trainings(*METHODS)


def test_touching_a_test_book_reruns_the_tasks_that_read_it(project):
    project.touch("resources/pg19/test/4.txt")
    assert project.to_run() == samples(*READING_BOOKS) | answers(*READING_BOOKS)


def test_a_book_that_is_taken_away_is_noticed(project):
    (project.folder / "resources/pg19/test/4.txt").unlink()
    assert project.to_run() == samples(*READING_BOOKS) | answers(*READING_BOOKS)


def test_other_words_in_every_module_are_no_reason(project):
    rooms = ("contracts", "data_prep", "megatron_cdt", "eval")
    modules = [path for room in rooms for path in sorted((project.folder / room).rglob("*.py"))]
    for path in modules:
        project.reword(path.relative_to(project.folder))
    assert len(modules) > 200
    assert project.to_run() == set()


def test_results_are_kept_after_an_edit_by_touching_them(project):
    project.edit("data_prep/packs/plan.py")
    assert project.to_run() != set()
    touched = project.snakemake("--touch", "--profile", "local", "--configfile", "config/demo.yaml")
    assert touched.returncode == 0, touched.stdout
    assert project.to_run() == set()


def test_an_edit_of_one_function_reruns_the_stages_that_call_it(project):
    registry = project.folder / "contracts/fingerprint.py"
    text = registry.read_text(encoding="utf-8")
    assert "def first_difference" in text
    registry.write_text(text.replace("for key in sorted(old.keys() | new.keys())", "for key in sorted(old.keys())"))
    assert project.to_run() == trainings(*METHODS)


@pytest.mark.parametrize("module", ["data_prep/commands/pack.py", "data_prep/packs/plan.py"])
def test_editing_packing_leaves_tokens_and_samples(project, module):
    project.edit(module)
    assert project.to_run() == {"pack train", "pack validation", "inspect packs train"} | trainings(*METHODS)


def test_another_default_of_packing_leaves_the_settings_beside_it(project):
    settings = project.folder / "data_prep/settings.py"
    text = settings.read_text(encoding="utf-8")
    assert text.count("MOST_LENGTH = 1 << 27\n") == 1
    settings.write_text(text.replace("MOST_LENGTH = 1 << 27\n", "MOST_LENGTH = 1 << 26\n"), encoding="utf-8")
    assert project.to_run() == {"pack train", "pack validation", "inspect packs train"} | trainings(*METHODS)


def test_editing_tokenizing_leaves_the_tokenizer(project):
    project.edit("data_prep/tokens/shard.py")
    assert project.to_run() == ROWS | trainings(*METHODS) | samples("perplexity books")


def test_editing_the_optimizer_leaves_the_data(project):
    project.edit("megatron_cdt/training/optimizer.py")
    assert project.to_run() == trainings(*METHODS)


def test_editing_a_task_reruns_that_task(project):
    project.edit("eval/benchmarks/ruler/vt.py")
    assert project.to_run() == samples("ruler vt") | answers("ruler vt")


def test_editing_the_wording_of_a_benchmark_reruns_that_benchmark(project):
    wording = project.folder / "eval/benchmarks/ruler/wording.json"
    wording.write_text(wording.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    ruler = ("ruler niah_single_1", "ruler vt")
    assert project.to_run() == samples(*ruler) | answers(*ruler)


def test_editing_a_score_reruns_scores_only(project):
    project.edit("eval/benchmarks/hops/score.py")
    cells = {f"score {model} gradient hops 3hop {length}" for model in METHODS for length in LENGTHS}
    assert project.to_run() == cells | {f"aggregate {model} gradient hops" for model in METHODS} | {"report"}


def test_editing_the_report_reruns_the_report(project):
    project.edit("eval/report/page.py")
    assert project.to_run() == {"report"}


def test_beta_of_cdt_is_nothing_to_the_other_method(project):
    project.configure(train={"cdt": {"beta": 3.5}})
    assert project.to_run() == trainings("cdt")


def test_a_longer_training_leaves_the_data(project):
    project.configure(train={"steps": WHOLE_RUN["train"]["steps"] + 1})
    assert project.to_run() == trainings(*METHODS)


def test_writing_a_default_out_changes_nothing(project):
    project.configure(train={"cdt": {"beta": 5.0}}, tokenize={"eos": True})
    assert project.to_run() == set()


def test_settings_that_no_output_depends_on_rerun_nothing(project):
    generation = {
        **{"batch_rows": 3, "batch_tokens": 999, "cross_check": 5, "vllm_memory": 0.3},
        **{"cells_per_job": 2, "ahead_minutes": 1},
    }
    project.configure(
        corpus={"text_field": "body", "id_field": "key", "drills": {"samples": 7}},
        tokenize={"samples": {"min_tokens": 5, "languages": ["fr"], "template_date": "2025-01-01"}},
        train={"checkpoint_interval": 7, "keep_checkpoints": 9, "checkpoint_async": True, "logo": {"beta": 7.0}},
        eval={
            "generation": generation,
            "inference": {"rag": {"top_k": 9}, "xattention": {"stride": 4}, "flexprefill": {"gamma": 0.5}},
            "detection": {"longppl": {"window": 64}},
        },
    )
    assert project.to_run() == set()


def test_the_precision_of_the_answers_reruns_them_and_no_sample(project):
    project.configure(eval={"generation": {"dtype": "bfloat16"}})
    assert project.to_run() == answers(*(task for task in BENCHMARKS if task != "hops 3hop"))


def test_a_given_tokenizer_is_not_made_again_for_what_a_trained_one_reads(project):
    (project.folder / "given.model").write_text("a tokenizer")
    project.configure(tokenizer={"path": "given.model"})
    project.run()
    project.configure(
        tokenizer={"path": "given.model", "vocab_size": 999, "split": "validation", "max_piece_length": 3},
    )
    assert project.to_run() == set()


def test_one_task_s_settings_rerun_that_task(project):
    project.configure(eval={"benchmarks": {"ruler": {"niah_single_1": {"tokens_to_generate": 3}}}})
    assert project.to_run() == samples("ruler niah_single_1") | answers("ruler niah_single_1")


def test_the_models_chat_template_is_read_by_the_cells_with_prompts(project):
    (project.folder / "chat.jinja").write_text("{{ messages }}", encoding="utf-8")
    project.configure(eval={"chat_template": "chat.jinja"})
    planned = project.snakemake("-n", "--profile", "local", "--configfile", "config/demo.yaml").stdout
    built = re.findall(
        r"rule build_samples:\n    input: (.*)\n    output: results/demo/samples/(\S+)/\d+\.jsonl,", planned
    )
    asking = {"ruler/niah_single_1", "ruler/vt", "hops/3hop"}
    assert len(built) == len(asking) * len(LENGTHS)
    assert {task for files, task in built if "chat.jinja" in files.split(", ")} == asking


def test_a_new_length_adds_its_own_cells(project):
    project.configure(eval={"lengths": [*LENGTHS, 1536]})
    assert project.to_run() == samples(*BENCHMARKS, lengths=[1536]) | answers(*BENCHMARKS, lengths=[1536])


def test_a_task_that_is_left_out_changes_the_averages_and_the_report_only(project):
    project.configure(eval={"benchmarks": {"ruler": {"tasks": ["niah_single_1"]}}})
    assert project.to_run() == {f"aggregate {model} dense ruler" for model in METHODS} | {"report"}


def test_a_given_tokenizer_is_taken_instead_of_a_trained_one(project):
    given = project.folder / "given.model"
    given.write_text("a tokenizer")
    project.configure(tokenizer={"path": "given.model"})
    assert project.to_run() == EVERYTHING


def test_another_environment_file_is_no_reason_while_no_environment_is_made_from_it(project):
    project.edit("environment.yml")
    assert project.to_run() == set()


def test_another_version_of_a_package_reruns_what_computes_with_it_unless_the_run_keeps_its_own(project, tmp_path):
    (tmp_path / "site/bm25s-9.9.9.dist-info").mkdir(parents=True)
    upgraded = {"PYTHONPATH": str(tmp_path / "site")}
    assert project.to_run(**upgraded) == answers(*(task for task in BENCHMARKS if task != "hops 3hop"))
    project.configure(packages="kept")
    assert project.to_run(**upgraded) == set()
