# One run: the rules of all stages, for one configuration.
include: "common.smk"


pathvars:
    results=plan.results,


wildcard_constraints:
    split="train|validation",
    method=any_of(plan.methods),
    model=any_of(plan.models),
    way=any_of(plan.ways),
    benchmark=any_of(dict.fromkeys(benchmark for benchmark, _, _ in plan.cells)),
    task=any_of(dict.fromkeys(task for _, task, _ in plan.cells)),
    length="[0-9]+",


rule all:
    input:
        "<results>/report.html",
        "<results>/report.json",
        plan.analysis.figure_paths(),
    localrule: True


include: "fetch.smk"
include: "tokenizer.smk"
include: "mix.smk" if config["mix"] else "tokenize.smk"
include: "pack.smk"


if config["pairs"]:

    include: "pairs.smk"


include: "inspect.smk"
include: "start_model.smk"
include: "train.smk"
include: "samples.smk"
include: "predict.smk"
include: "score.smk"
include: "aggregate.smk"
include: "analysis.smk"
include: "report.smk"
include: "audit.smk"
include: "stages.smk"


onstart:
    # What one section cannot know of another; the schema has seen to everything else already.
    check_at_the_start()


onerror:
    watch_failures(workflow).say()
