"""Write one self-contained HTML page, its numbers as JSON, and the paper's tables as CSV and LaTeX.

in : --aggregates  aggregate.json of every (model, inference, benchmark), and through them the score.json of every cell
     --scores      score.json of further cells (models are compared in the order of their first appearance)
     --metrics     METHOD=metrics.jsonl of every training
     --validation  METHOD=validation.jsonl where there was validation
     --data-summaries  NAME=FILE of `data_prep inspect --json` of the data that was trained on
     --detect      MODEL SAMPLES PREDICTIONS: one hops cell per model; its first row becomes the picture
     --analysis  MODEL TASK LENGTH TABLE FIGURES: what the answers of one model rest on (`analyse`, `figures`)
     --maps      folder of `figures` with Figure 14
     --tokenizer   the tokenizer folder, for the picture's text
     --manifests   manifest files of the stages, for the provenance table
out: report.html, report.json beside it with every number at full precision, and the folder report.tables with the
     paper's tables as table_N.csv and table_N.tex (Figure 7 as figure_7), and every score as scores.csv
invariant: the same inputs give the same bytes; the page fetches nothing.
run: python -m eval report --run-name demo --scores results/demo/eval/*/*/*/*/*/score.json \
     --metrics ce=CE/metrics.jsonl cdt=CDT/metrics.jsonl --output results/demo/report.html
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from contracts.command_line import named_paths
from contracts.errors import InputError
from contracts.files import atomic_folder, atomic_text
from contracts.tokenizer import load_tokenizer
from eval.report.analyses import read_analysis, read_figures
from eval.report.comparison import comparisons
from eval.report.data_charts import read_data_summaries
from eval.report.detection_figure import paper_figures
from eval.report.inputs import (
    ReportData,
    aggregated_scores,
    read_aggregate,
    read_curves,
    read_manifests,
    read_picture,
    read_score,
)
from eval.report.notes import notes
from eval.report.page import page
from eval.report.paper_section import protocol
from eval.report.paper_tables import PaperTable, paper_tables
from eval.report.side_by_side import read_exhibits
from eval.report.table_formats import as_csv, as_latex
from eval.report.tables import scores_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--run-name", required=True, help="title of the page")
    parser.add_argument("--scores", nargs="*", default=[], metavar="FILE", help="score.json of every cell")
    parser.add_argument("--aggregates", nargs="*", default=[], metavar="FILE", help="aggregate.json of every benchmark")
    parser.add_argument("--metrics", nargs="*", default=[], metavar="METHOD=FILE", help="metrics.jsonl of a training")
    parser.add_argument("--validation", nargs="*", default=[], metavar="METHOD=FILE", help="its validation.jsonl")
    parser.add_argument(
        "--data-summaries", nargs="*", default=[], metavar="NAME=FILE", help="inspect --json of the training data"
    )
    parser.add_argument(
        "--detect",
        nargs=3,
        action="append",
        default=[],
        metavar=("MODEL", "SAMPLES", "PREDICTIONS"),
        help="a hops cell to show as a picture; may be given again for other models",
    )
    parser.add_argument(
        "--analysis",
        nargs=5,
        action="append",
        default=[],
        metavar=("MODEL", "TASK", "LENGTH", "TABLE", "FIGURES"),
        help="table.json of `analyse` and the folder of its figures; may be given again for other models",
    )
    parser.add_argument("--maps", metavar="FOLDER", help="figures of the attention maps")
    parser.add_argument("--tokenizer", help="tokenizer of the samples (needed with --detect)")
    parser.add_argument("--manifests", nargs="*", default=[], metavar="FILE", help="manifests of the stages")
    parser.add_argument("--output", required=True, help="page to write, e.g. report.html")


def run(arguments: argparse.Namespace) -> None:
    """Read everything, write the page and its numbers."""
    data = gather(arguments)
    output = Path(arguments.output)
    if output.suffix != ".html":
        raise InputError(f"--output {output}: must end in .html; its numbers go to the same name in .json")
    tables = [*paper_tables(data), *paper_figures(data)]
    atomic_text(output, page(data, tables))
    numbers = json.dumps(report_numbers(data, tables), indent=1, sort_keys=True, allow_nan=False)
    atomic_text(output.with_suffix(".json"), numbers + "\n")
    write_tables(output.with_suffix(".tables"), tables, data)


def write_tables(folder: Path, tables: list[PaperTable], data: ReportData) -> None:
    """The paper's tables that this run has numbers for, as CSV and LaTeX, and every score as CSV."""
    with atomic_folder(folder) as temporary:
        atomic_text(temporary / "scores.csv", scores_csv(data))
        for table in tables:
            name = f"{table.kind.lower()}_{table.number}"
            atomic_text(temporary / f"{name}.csv", as_csv(table))
            atomic_text(temporary / f"{name}.tex", as_latex(table))


def gather(arguments: argparse.Namespace) -> ReportData:
    """The report's data; InputError names the first input that is absent or foreign."""
    if arguments.detect and not arguments.tokenizer:
        raise InputError("--detect needs the text of the tokens; add --tokenizer FOLDER")
    tokenizer = load_tokenizer(arguments.tokenizer) if arguments.detect else None
    aggregates = [read_aggregate(path) for path in arguments.aggregates]
    return ReportData(
        run=arguments.run_name,
        scores=[*aggregated_scores(aggregates), *map(read_score, arguments.scores)],
        aggregates=aggregates,
        curves=read_curves(
            named_paths(arguments.metrics, "--metrics"), named_paths(arguments.validation, "--validation")
        ),
        pictures=[read_picture(model, samples, detected, tokenizer) for model, samples, detected in arguments.detect],
        manifests=read_manifests(arguments.manifests),
        analyses=[read_analysis(*given) for given in arguments.analysis],
        maps=read_figures(arguments.maps) if arguments.maps else (),
        data_summaries=read_data_summaries(named_paths(arguments.data_summaries, "--data-summaries")),
        exhibits=read_exhibits(
            [*(path for aggregate in aggregates for path in aggregate["scores"]), *arguments.scores]
        ),
    )


def report_numbers(data: ReportData, tables: list[PaperTable]) -> dict:
    """Every number of the page, at full precision."""
    return {
        "run": data.run,
        "models": data.models,
        "scores": data.scores,
        "aggregates": data.aggregates,
        "comparisons": comparisons(data),
        "paper_tables": [asdict(table) for table in tables],
        "protocol": protocol(data),
        "curves": [asdict(curve) for curve in data.curves],
        "pictures": data.pictures,
        "manifests": data.manifests,
        "data_summaries": data.data_summaries,
        "analyses": [asdict(one) | {"figures": len(one.figures)} for one in data.analyses],
        "side_by_side": [asdict(shown) for shown in data.exhibits],
        "notes": notes(data),
    }
