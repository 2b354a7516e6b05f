"""What instruments find, as figures: the paper's Figure 3, and areas under the curve against all and interference.

in : the table of `analyse` (eval.analysis.table)
out: the files of each figure (eval.analysis.figures); what each can and cannot show is in its caption
"""

from pathlib import Path

from eval.analysis.figures import OKABE_ITO, write_figure
from eval.benchmarks.hops.score import CONTEXT_KINDS

BLACK, ORANGE, SKY, GREEN, VERMILION, BLUE, *_ = OKABE_ITO
KIND_NAMES = ("supporting", "interference", "irrelevant", "low-frequency")
ANSWERS = {"right": (BLUE, ""), "wrong": (ORANGE, "///")}
# Figure 3a and 3b as the paper defines them, then as the authors' scripts compute them.
DISTRIBUTIONS = (
    "fact_retrieval",
    "information_flow",
    "attention_mass",
    "information_flow_scripts",
    "embedding_gradient_l1",
)
# (labels, answers): (colour, mark, name)
SERIES = {
    ("true", "all"): (BLACK, "o", "all rows"),
    ("true", "right"): (BLUE, "^", "right answers"),
    ("true", "wrong"): (VERMILION, "v", "wrong answers"),
    ("shuffled", "all"): (GREEN, "x", "all rows, shuffled labels"),
}
AREAS = {
    "auc": "a token of a supporting fact is above\nany other token of the context",
    "auc_against_interference": "a token of a supporting fact is above\na token of an interference fact",
    "fact_auc": "a supporting fact's highest token is above\nan interference fact's highest token",
}


def distribution_figure(base: Path, found: dict) -> list[Path]:
    """Figure 3 from table.json: the mean score of each kind of token, as a share of the kinds' sum."""
    records = [record for record in found["table"] if (record["labels"], record["measure"]) == ("true", "mean_share")]
    names = [name for name in DISTRIBUTIONS if any(record["instrument"] == name for record in records)]
    data = [record for record in records if record["instrument"] in names and record["answers"] in ANSWERS]

    def draw(figure) -> None:
        for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False).flat, names, strict=True):
            own = [record for record in data if record["instrument"] == name]
            draw_bars(axes, own)
            axes.set_title(own[0]["title"], fontsize=8.5)
        figure.axes[0].set_ylabel("share of the kinds' mean scores")
        figure.axes[0].legend(fontsize=8)

    return write_figure(
        base, draw if data else no_data, (2.6 * max(len(names), 1) + 0.6, 3.4), data, captions(found)[0]
    )


def draw_bars(axes, records: list[dict]) -> None:
    """A bar for every kind, right answers beside wrong ones, with intervals."""
    for offset, (answers, (colour, hatch)) in zip((-0.2, 0.2), ANSWERS.items(), strict=True):
        own = {record["kind"]: record for record in records if record["answers"] == answers}
        kinds = [kind for kind in CONTEXT_KINDS if kind in own]
        places = [CONTEXT_KINDS.index(kind) + offset for kind in kinds]
        values = [own[kind]["value"] for kind in kinds]
        options = {"color": colour, "hatch": hatch, "edgecolor": "white", "ecolor": "black", "capsize": 2}
        axes.bar(places, values, 0.38, yerr=errors(list(own.values())), label=answers, **options)
    axes.set_xticks(range(len(CONTEXT_KINDS)), KIND_NAMES, rotation=30, ha="right", fontsize=8)


def errors(records: list[dict]) -> list[list[float]]:
    """How far the interval reaches below and above each value; a mean may lie a rounding outside of its own."""
    return [
        [max(record["value"] - record["low"], 0.0) for record in records],
        [max(record["high"] - record["value"], 0.0) for record in records],
    ]


def areas_figure(base: Path, found: dict) -> list[Path]:
    """Every instrument's area under the curve for supporting facts, against all other tokens and interference alone."""
    data = [
        record
        for record in found["table"]
        if record["kind"] == "supporting"
        and record["measure"] in AREAS
        and (record["labels"], record["answers"]) in SERIES
    ]
    titles = list(dict.fromkeys(record["title"] for record in data))

    def draw(figure) -> None:
        for axes, (measure, words) in zip(figure.subplots(1, len(AREAS), sharey=True), AREAS.items(), strict=True):
            draw_areas(axes, [record for record in data if record["measure"] == measure], titles)
            axes.set_xlabel(f"chance that {words}", fontsize=8)
        handles, _ = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)

    size = (11.0, 1.6 + 0.42 * max(len(titles), 1))
    return write_figure(base, draw if data else no_data, size, data, captions(found)[1])


def draw_areas(axes, records: list[dict], titles: list[str]) -> None:
    """A line for each instrument; a mark with its interval for each series; chance is the line in the middle."""
    axes.axvline(0.5, color="grey", linewidth=1, linestyle=":")
    for step, ((labels, answers), (colour, mark, name)) in enumerate(SERIES.items()):
        own = [record for record in records if (record["labels"], record["answers"]) == (labels, answers)]
        if own:
            places = [titles.index(record["title"]) + 0.18 * (step - 1.5) for record in own]
            values = [record["value"] for record in own]
            axes.errorbar(
                values, places, xerr=errors(own), fmt=mark, color=colour, label=name, markersize=5, elinewidth=1
            )
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.0)


def no_data(figure) -> None:
    """What stands where nothing was measured."""
    figure.text(0.5, 0.5, "nothing to draw", ha="center", va="center")


def captions(found: dict) -> tuple[dict[str, str], dict[str, str]]:
    """The captions of both figures."""
    data = (
        f"{found['rows']} rows, model {found['model']}, {found['right']} answered right and {found['wrong']} wrong; "
        "means over rows with their 95 % bootstrap interval."
    )
    distribution = {
        "title": "Figure 3. Attention and information flow by kind of token, for right and wrong answers.",
        "data": f"{data} The mean score of a kind, as a share of the four kinds' sum.",
        "published": "the FR score lies on irrelevant tokens whether the answer is right or wrong; the IG score on "
        "facts. The authors' scripts draw the first from attention in the last quarter of the layers, the second from "
        "the L1 norm of the embedding's gradient: both are here by name.",
        "shows": "where the scores lie, and whether that differs between right and wrong answers.",
        "cannot": "that a model uses what has a high score: see the areas under the curve with shuffled labels.",
    }
    areas = {
        "title": "What each instrument tells apart: tokens of supporting facts from all other tokens, and from "
        "interference facts alone, token by token and fact by fact.",
        "data": f"{data} Shuffled labels: the answer is another row's.",
        "published": "nothing of the kind; the paper counts facts of both kinds as critical.",
        "shows": "whether an instrument finds what this answer needs (middle and right panel), or facts of any kind "
        "(left panel alone, and with shuffled labels too).",
        "cannot": "what a token does to the answer, save for occlusion, which measures it.",
    }
    return distribution, areas
