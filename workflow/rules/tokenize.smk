rule tokenize:
    input:
        books=lambda wildcards: plan.data.books(wildcards.split),
        metadata=lambda wildcards: plan.data.metadata_of_books(),
        tokenizer="<results>/tokenizer",
    output:
        folder=directory("<results>/tokens/{split}"),
    log:
        "<results>/logs/tokenize/{split}.log",
    benchmark:
        "<results>/benchmarks/tokenize/{split}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        corpus=plan.data.corpus(),
        settings=plan.data.tokenize_settings(),
        packages=packages.of("data"),
        code=plan.code(
            "data_prep.commands.tokenize",
            f"data_prep.sources.{config['corpus']['source']}",
            ENCODERS[config["corpus"]["source"]],
        ),
    shell:
        "python -m data_prep tokenize --corpus {params.corpus:q} --split {wildcards.split} "
        "--tokenizer {input.tokenizer:q} --settings {params.settings:q} "
        "--workers {threads} --output {output.folder:q} > {log:q} 2>&1"
