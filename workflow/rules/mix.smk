# Supervised samples: each set is tokenized once, then both splits are drawn from all of them.
rule tokenize_set:
    input:
        files=lambda wildcards: plan.data.set_files(wildcards.dataset),
        tokenizer="<results>/tokenizer",
        template=plan.data.samples_template(),
    output:
        folder=directory("<results>/sets/{dataset}"),
    log:
        "<results>/logs/tokenize_set/{dataset}.log",
    benchmark:
        "<results>/benchmarks/tokenize_set/{dataset}.tsv"
    wildcard_constraints:
        dataset=any_of(plan.sets),
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        corpus=lambda wildcards: plan.data.set_corpus(wildcards.dataset),
        settings=lambda wildcards: plan.data.set_tokenize(wildcards.dataset),
        packages=packages.of("data"),
        code=lambda wildcards: plan.code(
            "data_prep.commands.tokenize", f"data_prep.sources.{wildcards.dataset}", ENCODERS[wildcards.dataset]
        ),
    shell:
        "python -m data_prep tokenize --corpus {params.corpus:q} --tokenizer {input.tokenizer:q} "
        "--settings {params.settings:q} --workers {threads} --output {output.folder:q} > {log:q} 2>&1"


rule mix:
    input:
        sets=expand("<results>/sets/{dataset}", dataset=plan.sets),
    output:
        folder=directory("<results>/tokens/{split}"),
    log:
        "<results>/logs/mix/{split}.log",
    benchmark:
        "<results>/benchmarks/mix/{split}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        parts=lambda wildcards, input: [f"--part={name}={folder}" for name, folder in zip(plan.sets, input.sets)],
        settings=plan.data.mix_settings(),
        packages=packages.of("data"),
        code=plan.code("data_prep.commands.mix"),
    shell:
        "python -m data_prep mix {params.parts:q} --settings {params.settings:q} --split {wildcards.split} "
        "--output {output.folder:q} > {log:q} 2>&1"
