import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import command_line
from contracts.fingerprint import sha256_file
from eval.__main__ import COMMANDS
from eval.report.charts import smoothed, ticks
from eval.report.page import page
from eval.report.tables import detection_table, scores_csv, significant
from tests.eval.report.conftest import made_score, report_data

CELLS = (
    (("perplexity", "books"), 200),
    (("longppl", "books"), 200),
    (("ruler", "niah_single_1"), 450),
    (("hops", "3hop"), 450),
)
VOID = {"meta", "br", "hr", "img", "link", "input"}
WAY = {"hops": "gradient"}


class Checker(HTMLParser):
    """Collects unbalanced tags and every address that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.fetched = [], [], []

    def handle_starttag(self, tag, attributes):
        self.fetched += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def run(*words) -> int:
    return command_line.main("eval", COMMANDS, [str(word) for word in words])


def hops_predictions(samples, path, scale):
    """What `detect` writes, with norms that are large at every third token."""
    lines = []
    for row in map(json.loads, samples.read_text().splitlines()):
        count = len(row["input_ids"])
        norms = [scale * (3.0 if index % 3 == 0 else 1.0) for index in range(count)]
        threshold = sum(norms) / count
        noise = [int(norm < threshold) for norm in norms]
        extra = {"threshold": threshold, "ce": 2.0, "cdt": 1.9, "relative_shift": 1e-4}
        lines.append(json.dumps({"id": row["id"], "grad_norm": norms, "noise": noise, **extra}))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory, tokenizer_folder, books_folder, make_model):
    """The whole evaluation of two tiny models through the command line; returns its folder."""
    folder = tmp_path_factory.mktemp("run")
    models = {"ce": make_model(seed=1), "cdt": make_model(seed=2)}
    benchmarks = {
        "perplexity": {"samples": 3},
        "longppl": {"samples": 3, "window": 64, "stride": 32, "alpha": 0.0, "beta": -20.0},
        "ruler": {"samples": 2, "niah_single_1": {"tokens_to_generate": 4}},
        "hops": {"samples": 2},
    }
    settings = json.dumps({"lengths": [200, 450], "benchmarks": benchmarks})
    scores = []
    for (benchmark, task), length in CELLS:
        samples = folder / "samples" / benchmark / task / f"{length}.jsonl"
        data = ["--data", f"books={books_folder}", f"evaluator={models['ce']}"]
        asked = ["--benchmark", benchmark, "--task", task, "--length", length, "--settings", settings]
        made = ["--tokenizer", tokenizer_folder, "--output", samples, "--device", "cpu"]
        assert run("build", *asked, *data, *made) == 0
        for name, model in models.items():
            cell = (
                folder
                / "eval"
                / name
                / ("gradient" if benchmark == "hops" else "dense")
                / benchmark
                / task
                / str(length)
            )
            cell.mkdir(parents=True)
            predictions = cell / "predictions.jsonl"
            if benchmark == "hops":
                hops_predictions(samples, predictions, 1.0 if name == "ce" else 2.0)
                of_model = ["--model", model]
            else:
                of_model = []
                words = ["--model", model, "--samples", samples, "--output", predictions, "--device", "cpu"]
                assert run("generate", *words) == 0
            scored = ["--samples", samples, "--predictions", predictions, "--model-name", name, *of_model]
            assert run("score", *scored, "--output", cell / "score.json") == 0
            scores.append(cell / "score.json")
    write_curves(folder)
    assert run("report", *report_words(folder, scores, tokenizer_folder), "--output", folder / "report.html") == 0
    return folder


WORDS = {
    "explanation": "Every embedding <is> moved.",
    "plain_loss": "detection_loss",
    "plain_loss_reason": "Its loss is one after the move.",
    "columns": {
        "detection_loss": {"title": "Gain", "unit": "nats", "least": 0.0, "remark": ""},
        "noise_share": {"title": "Noise", "unit": "share", "least": 0.0, "remark": ""},
        "relative_shift": {"title": "Shift", "unit": "share", "least": 1e-5, "remark": "moved by {value:.1e}."},
    },
}


def write_curves(folder):
    for method in ("ce", "cdt"):
        extra = {"detection_loss": 3.0, "noise_share": 0.6, "relative_shift": 1e-7} if method == "cdt" else {}
        lines = [{"step": step, "loss": 4.0 / step, "consumed_tokens": 64 * step, **extra} for step in range(1, 9)]
        (folder / method).mkdir()
        (folder / method / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / method / "validation.jsonl").write_text('{"step": 4, "validation_loss": 2.0}\n')
        if method == "cdt":
            (folder / method / "telemetry.json").write_text(json.dumps(WORDS))


def report_words(folder, scores, tokenizer_folder) -> list:
    words = ["--run-name", "tiny <run>", "--tokenizer", tokenizer_folder, "--scores", *scores]
    words += ["--metrics", *(f"{method}={folder}/{method}/metrics.jsonl" for method in ("ce", "cdt"))]
    words += ["--validation", *(f"{method}={folder}/{method}/validation.jsonl" for method in ("ce", "cdt"))]
    for model in ("ce", "cdt"):
        words += [
            "--detect",
            model,
            folder / "samples/hops/3hop/450.jsonl",
            folder / f"eval/{model}/gradient/hops/3hop/450/predictions.jsonl",
        ]
    return [*words, "--manifests", *sorted((folder / "samples").rglob("*.manifest.json"))]


def test_the_page_is_well_formed_and_fetches_nothing(made):
    page = (made / "report.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert checker.wrong == []
    assert checker.open == []
    assert checker.fetched == []
    assert not re.search(r"@import|url\(|<script|https?://", page)
    assert "tiny &lt;run&gt;" in page


def test_every_section_is_there(made):
    page = (made / "report.html").read_text()
    for name in ("results", "unigram", "training", "methods", "picture", "detection", "provenance"):
        assert f'<section id="{name}">' in page


def test_a_method_is_shown_in_its_own_words(made):
    page = (made / "report.html").read_text()
    section = page[page.index('<section id="methods">') : page.index('<section id="picture">')]
    assert "<h3>cdt</h3><p>Every embedding &lt;is&gt; moved.</p>" in section
    assert re.findall(r"<h4>(.*?)</h4>", section) == ["Gain", "Noise", "Shift"]
    assert "<h3>ce</h3>" not in section
    assert "Its loss is one after the move." in page
    assert "cdt: moved by 1.0e-07." in page


def test_the_probe_of_a_run_is_the_papers_figure_7(made):
    assert "Figure 7 of the paper" in (made / "report.html").read_text()
    assert {"figure_7.csv", "figure_7.tex", "scores.csv"} <= {path.name for path in (made / "report.tables").iterdir()}
    assert "cdt, gradient (CDT), top 30" in (made / "report.tables" / "figure_7.csv").read_text()


def test_needles_and_stories_are_told_with_their_spread():
    levels = {("ce", 512): 1.0, ("ce", 2048): 0.5, ("base", 512): 1.0, ("base", 2048): 0.0}
    data = report_data(
        [
            made_score(model, benchmark, task, length, level) | more
            for (model, length), level in levels.items()
            for benchmark, task, more in (
                ("ruler", "niah_single_1", {"metrics": {"string_match_all": 100 * level}}),
                ("stories", "2hop", {"metrics": {"accuracy": 100 * level}}),
            )
        ]
    )
    shown = re.sub(r"<[^>]+>", " ", page(data, []))
    assert "Needles found in 512 and in 2,048 tokens: ce 100 and 50 %, base 100 and 0 %." in shown
    assert "Stories, 2 facts" in shown
    assert len(re.findall(r"50\.0 %\s+± 9\.\d", shown)) == 2


def test_lengths_stand_in_their_order_whatever_the_order_of_the_files():
    lengths = (1024, 2048, 512)
    data = report_data([made_score(model, "ruler", "vt", length, 0.5) for length in lengths for model in ("a", "b")])
    assert re.findall(r"^ruler,vt,(\d+),a,", scores_csv(data), flags=re.MULTILINE) == ["512", "1024", "2048"]


def test_only_what_was_trained_here_is_said_to_be(made):
    first = re.sub(r"<[^>]+>", "", (made / "report.html").read_text()).split("This page compares ")[1]
    assert re.match(
        r"ce and cdt \(0\.1 million parameters each\) on .* ce and cdt: trained here on 0\.00 million", first
    )


def test_every_number_of_hops_is_in_the_detection_table(made):
    score = json.loads(next((made / "eval/ce/gradient/hops/3hop/450").glob("score.json")).read_text())
    shown = detection_table(report_data([score, score | {"task": "2hop"}, score | {"task": "4hop"}]))
    hops = re.findall(r'</th><td>[^<]*</td><td class="n">(\d)</td><td class="n">450</td>', shown)
    assert hops == ["2", "3", "4"]


def test_the_json_holds_every_score_whole(made):
    numbers = json.loads((made / "report.json").read_text())
    assert numbers["models"] == ["ce", "cdt"]
    scores = {(score["model"], score["benchmark"]): score for score in numbers["scores"]}
    assert len(scores) == 8
    for (model, benchmark), score in scores.items():
        (path,) = (made / "eval" / model / WAY.get(benchmark, "dense") / benchmark).rglob("score.json")
        assert score == json.loads(path.read_text())
    shown = scores["cdt", "perplexity"]["metrics"]["perplexity"]
    assert f"{shown:.1f}" in (made / "report.html").read_text()


def test_a_score_names_the_bytes_it_scored(made):
    score = json.loads((made / "eval/ce/dense/perplexity/books/200/score.json").read_text())
    assert score["hashes"]["samples_sha256"] == sha256_file(made / "samples/perplexity/books/200.jsonl")
    assert score["hashes"]["predictions_sha256"] == sha256_file(
        made / "eval/ce/dense/perplexity/books/200/predictions.jsonl"
    )
    hops = json.loads((made / "eval/ce/gradient/hops/3hop/450/score.json").read_text())
    assert hops["answered_by"]["model_sha256"] == score["answered_by"]["model_sha256"]


def test_differences_are_taken_sample_by_sample(made):
    numbers = json.loads((made / "report.json").read_text())
    found = next(entry for entry in numbers["comparisons"] if entry["benchmark"] == "perplexity")
    rows = {
        score["model"]: [row["nats_per_token"] for row in score["rows"]]
        for score in numbers["scores"]
        if score["benchmark"] == "perplexity"
    }
    expected = sum(b - a for a, b in zip(rows["ce"], rows["cdt"], strict=True)) / 3
    assert found["mean"] == pytest.approx(expected, abs=1e-12)
    assert found["difference"] == "cdt - ce"


def test_notes_tell_what_these_tiny_models_cannot_do(made):
    notes = " ".join(json.loads((made / "report.json").read_text())["notes"])
    assert "not below the unigram entropy" in notes
    assert "No model here solves the needle task" in notes
    assert "found by ce, one of the models compared" in notes
    assert "cdt: moved by 1.0e-07." in notes
    assert "Each method was trained once" in notes


def test_the_picture_shows_every_character_of_the_sample(made):
    page = (made / "report.html").read_text()
    picture = re.search(r'<p class="tokens">(.*?)</p></figure>', page, re.DOTALL).group(1)
    shown = re.sub(r"<[^>]+>", "", picture).replace("␣", "").replace("&quot;", '"').replace("&#x27;", "'")
    sample = json.loads((made / "samples/hops/3hop/450.jsonl").read_text().splitlines()[0])
    assert "".join(shown.split()).endswith("".join(f"{sample['question']} {sample['answer']}".split()))
    assert picture.count('class="kind-supporting"') == 3


def test_the_same_inputs_give_the_same_bytes(made, tokenizer_folder, tmp_path):
    scores = [
        made / "eval" / model / WAY.get(benchmark, "dense") / benchmark / task / str(length) / "score.json"
        for (benchmark, task), length in CELLS
        for model in ("ce", "cdt")
    ]
    assert run("report", *report_words(made, scores, tokenizer_folder), "--output", tmp_path / "report.html") == 0
    for name in ("report.html", "report.json"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_a_report_of_training_alone_is_a_page_too(made, tmp_path):
    words = ["--run-name", "half", "--metrics", f"ce={made}/ce/metrics.jsonl", "--output", tmp_path / "half.html"]
    assert run("report", *words) == 0
    assert '<section id="training">' in (tmp_path / "half.html").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["--scores", "absent.json"],
        ["--metrics", "no equals sign"],
        ["--metrics", "ce=absent.jsonl"],
        ["--detect", "ce", "a", "b"],
    ],
)
def test_bad_inputs_end_with_code_2_and_one_line(words, tmp_path, capsys):
    assert run("report", "--run-name", "x", *words, "--output", tmp_path / "r.html") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_scoring_another_cells_predictions_is_refused(made, tmp_path, capsys):
    words = ["--samples", made / "samples/longppl/books/200.jsonl", "--output", tmp_path / "score.json"]
    assert run("score", *words, "--predictions", made / "eval/ce/dense/perplexity/books/200/predictions.jsonl") == 2
    assert "other samples" in capsys.readouterr().err
    assert not (tmp_path / "score.json").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        run(command, "--help")
    assert ended.value.code == 0
    # The one command that only speaks.
    assert ("--report" if command == "summary" else "--output") in capsys.readouterr().out


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_lie_inside_the_axis_and_are_neither_few_nor_many(low, span):
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 11
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in found)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.integers(1, 9))
def test_smoothing_keeps_the_length_the_ends_and_the_range(values, reach):
    found = smoothed(values, reach)
    assert len(found) == len(values)
    assert (found[0], found[-1]) == (values[0], values[-1])
    assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for value in found)


@pytest.mark.parametrize(
    ("value", "text"), [(None, "&ndash;"), (0.0, "0"), (0.012346, "0.01235"), (350.56, "350.6"), (1e-9, "1.000e-09")]
)
def test_numbers_are_shown_with_four_digits(value, text):
    assert significant(value) == text
