"""The paper's Figures 4, 5 and 14, drawn from what `denoise`, `analyse` and `attention_maps` measured.

in : denoising.json; the points and the correlations of figure 5; attention_maps.json
out: the files of each figure (eval.analysis.figures)
What each can and cannot show is in its caption.
"""

from itertools import groupby
from pathlib import Path

from eval.analysis.denoising_settings import DIRECTIONS
from eval.analysis.figures import MAP_COLOURS, OKABE_ITO, write_figure

BLACK, ORANGE, SKY, GREEN, VERMILION, BLUE, PURPLE, _ = OKABE_ITO
# (colour, dashes, mark): controls whose shift is as long as that of noise are dashed.
LINES = {
    "noise": (BLACK, "-", "o"),
    "critical": (ORANGE, "-", "s"),
    "critical_matched": (ORANGE, "--", "s"),
    "random_tokens": (SKY, "-", "^"),
    "random_tokens_matched": (SKY, "--", "^"),
    "random_direction": (GREEN, "--", "D"),
    "oracle": (VERMILION, "-", "v"),
    "shuffled_labels": (BLUE, "--", "P"),
    "ascent": (PURPLE, "--", "X"),
}
# (measure, what is drawn of it, label): of a change its interval too.
PANELS = (
    ("loss", "change", "loss of the answer,\nchange (nats a token)"),
    ("attention.supporting", "ratio", "attention on supporting facts,\nafter / before"),
    ("attention.irrelevant", "ratio", "attention on irrelevant text,\nafter / before"),
    ("right", "after", "answers right (share)"),
    ("other.loss", "change", "loss of other questions,\nchange (nats a token)"),
    ("other.right", "after", "other questions right (share)"),
)
# Changes smaller than this (nats) are drawn on a linear scale.
LINEAR = 1e-4
NAMED_STEPS = ((5e-5, "paper's training"), (0.1, "authors' scripts"))
KINDS = {
    "supporting": (VERMILION, "o"),
    "interference": (BLUE, "^"),
    "irrelevant": (GREEN, "."),
    "emoji": (ORANGE, "D"),
}


def denoising_figure(base: Path, found: dict) -> list[Path]:
    """Figure 4 from denoising.json."""
    records = [record for record in found["records"] if record["step"] > 0]
    panels = [panel for panel in PANELS if any(record["measure"] == panel[0] for record in records)]
    drawn = {measure for measure, _, _ in panels}

    def draw(figure) -> None:
        # Six panels, or four where no row has other questions.
        for axes, panel in zip(figure.subplots(2, len(panels) // 2).flat, panels, strict=True):
            draw_panel(axes, panel, records)
        handles, _ = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)

    data = [record for record in records if record["measure"] in drawn]
    return write_figure(base, draw, (11.0, 7.4), data, denoising_caption(found))


def draw_panel(axes, panel: tuple[str, str, str], records: list[dict]) -> None:
    """One measure over the step size, a line for each direction."""
    measure, shown, label = panel
    own = [record for record in records if record["measure"] == measure]
    for direction, group in groupby(own, key=lambda record: record["direction"]):
        line = list(group)
        colour, dashes, mark = LINES[direction]
        steps, values = [record["step"] for record in line], [value_of(record, shown) for record in line]
        wide = 2.2 if direction == "noise" else 1.2
        axes.plot(
            steps, values, dashes, color=colour, marker=mark, markersize=3.5, lw=wide, label=DIRECTIONS[direction]
        )
        if shown == "change":
            axes.fill_between(steps, [r["low"] for r in line], [r["high"] for r in line], color=colour, alpha=0.1, lw=0)
    axes.set_xscale("log")
    axes.set_xlabel("step size (learning rate times beta)")
    axes.set_ylabel(label)
    if shown == "change":
        axes.set_yscale("symlog", linthresh=LINEAR)
    elif shown == "after":
        axes.set_ylim(-0.03, 1.03)
    for step, name in NAMED_STEPS:
        axes.axvline(step, color="#666666", lw=0.8, ls=":")
        axes.annotate(
            name, (step, 0.02), xycoords=axes.get_xaxis_transform(), rotation=90, fontsize=6.5, ha="right", va="bottom"
        )


def value_of(record: dict, shown: str) -> float:
    """What a panel draws of a record; where nothing was before, a ratio is not there."""
    if shown != "ratio":
        return record[shown]
    return record["after"] / record["before"] if record["before"] else float("nan")


def denoising_caption(found: dict) -> dict[str, str]:
    """The caption of Figure 4."""
    asked = found["rows_with_other_questions"]
    return {
        "title": "Figure 4. Manual context denoising: what a shift of the noise tokens' embeddings does.",
        "data": f"{found['rows']} rows of the multi-hop probe, model {found['model']}, which answers "
        f"{found['right_before']} of them right before any shift; {100 * found['noise_share']:.0f} % of the tokens are "
        f"noise; {asked} rows have other questions to the same text. Lines are means over rows, bands their 95 % "
        "bootstrap intervals. Dashed: as long a shift as that of noise.",
        "published": "attention on critical tokens rises about tenfold and falls slightly on irrelevant ones, for one "
        "step size, without controls; the step is not stated in the paper (0.1 in the authors' scripts, with the "
        "facts' places given).",
        "shows": "loss, attention and right answers over ten orders of step sizes, for the paper's rule and for "
        "controls. The shift descends the loss of the very answer that is judged: a lower loss is to be expected of "
        "any such shift, and is evidence of denoising only where the controls lack it.",
        "cannot": "whether another model, longer texts or other questions behave alike; other questions are of one hop "
        "and about interference facts.",
    }


def flow_figure(base: Path, points: list[dict], relations: list[dict], model: str) -> list[Path]:
    """Figure 5: a point for every token of the context, by kind; both axes logarithmic."""
    positive = [point for point in points if point["information_flow"] > 0 and point["embedding_gradient"] > 0]

    def draw(figure) -> None:
        for axes, (kind, (colour, mark)) in zip(
            figure.subplots(1, 4, sharex=True, sharey=True), KINDS.items(), strict=True
        ):
            own = [point for point in positive if point["kind"] == kind]
            xs, ys = [[point[name] for point in own] for name in ("embedding_gradient", "information_flow")]
            axes.scatter(xs, ys, s=9, color=colour, marker=mark, alpha=0.5, linewidths=0, rasterized=False)
            axes.set(xscale="log", yscale="log", xlabel="norm of the embedding gradient")
            axes.set_title(f"{kind} ({len(own):,} tokens)\n{correlation_text(relations, kind)}", fontsize=8.5)
        figure.axes[0].set_ylabel("IG score (Eq. 1)")

    return write_figure(base, draw, (11.0, 3.4), points, flow_caption(points, positive, relations, model))


def correlation_text(relations: list[dict], kind: str) -> str:
    """Spearman's rho of a kind with its interval."""
    for found in relations:
        if (found["kind"], found["measure"]) == (kind, "spearman"):
            return f"rho = {found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
    return "too few tokens for a correlation"


def flow_caption(points: list[dict], positive: list[dict], relations: list[dict], model: str) -> dict[str, str]:
    """The caption of Figure 5."""
    rows = len({point["id"] for point in points})
    by_kind = ", ".join(f"{kind} {correlation_text(relations, kind)}" for kind in (*KINDS, "all"))
    return {
        "title": "Figure 5. The attention IG score of a token and the L2 norm of its embedding's gradient.",
        "data": f"{len(points):,} tokens of {rows} rows, model {model}; {len(points) - len(positive):,} of them have a "
        f"zero and no place on logarithmic axes. Spearman's rho within a row, mean over rows with its 95 % interval: "
        f"{by_kind}.",
        "published": "a proportional correlation, drawn without numbers.",
        "shows": "whether the two rank tokens alike, for each kind of token by itself.",
        "cannot": "that either of them says what the answer rests on: both are slopes of one loss, and what a token "
        "really does is measured by occlusion.",
    }


def maps_figure(base: Path, found: dict) -> list[Path]:
    """Figure 14 from attention_maps.json: the first row's map, a panel for each model, one scale for all."""
    shown = [next(each for each in found["maps"] if each["model"] == name) for name in found["models"]]

    def draw(figure) -> None:
        from matplotlib.colors import LogNorm

        lowest = min(value for each in shown for line in each["map"] for value in line if value > 0)
        scale = LogNorm(max(lowest, 1e-5), 1.0)
        for axes, each in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            visible = [[value if value > 0 else float("nan") for value in line] for line in each["map"]]
            picture = axes.imshow(visible, norm=scale, cmap=MAP_COLOURS, aspect="equal", interpolation="nearest")
            mark_chunks(axes, each["chunks"])
            axes.set_title(f"{each['model']}, layer {each['layer']}", fontsize=9, pad=12)
            axes.set(xlabel="chunk attended to", ylabel="chunk that attends (the last: the question)")
            axes.grid(False)
        figure.colorbar(picture, ax=figure.axes, label="attention (share of the chunk's)", shrink=0.8)

    data = [
        {"model": each["model"], "queries": query, "keys": key, "kind": each["chunks"][key]["kind"], "weight": weight}
        for each in shown
        for query, line in enumerate(each["map"])
        for key, weight in enumerate(line[: query + 1])
    ]
    return write_figure(base, draw, (4.6 * len(shown) + 1.2, 4.6), data, maps_caption(found, shown))


def mark_chunks(axes, chunks: list[dict]) -> None:
    """A mark above every chunk that holds a fact."""
    for kind in ("supporting", "interference"):
        colour, mark = KINDS[kind]
        places = [place for place, chunk in enumerate(chunks) if chunk["kind"] == kind]
        if not places:
            continue
        axes.plot(
            places,
            [1.025] * len(places),
            "v" if kind == "supporting" else mark,
            color=colour,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            ms=4,
            label=f"{kind} fact",
        )
    axes.set_ylim(len(chunks) - 0.5, -0.5)
    axes.legend(loc="upper right", fontsize=7)


def maps_caption(found: dict, shown: list[dict]) -> dict[str, str]:
    """The caption of Figure 14."""
    shares = "; ".join(
        f"{record['model']} {100 * record['value']:.1f} % [{100 * record['low']:.1f}, {100 * record['high']:.1f}]"
        for record in found["question_on"]
        if record["kind"] == "supporting"
    )
    tokens = shown[0]["chunks"][-1]["end"]
    return {
        "title": "Figure 14. Attention between chunks of one text, mean over the heads of a layer.",
        "data": f"one row of {tokens:,} tokens in {len(shown[0]['chunks'])} chunks; models "
        f"{', '.join(found['models'])}. Over {found['rows']} rows the question's attention on chunks "
        f"with supporting facts is {shares}.",
        "published": "two maps of one text of 12,000 tokens, layer 24 of 32, in 46 chunks: after CDT the question "
        "attends more to chunks with key information.",
        "shows": "the same for these models, every line as shares of a chunk's attention on one logarithmic scale.",
        "cannot": "what the attention is used for; one layer's mean over heads hides heads that differ.",
    }
