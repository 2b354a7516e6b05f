rule tokenize:
    input:
        books=lambda wildcards: books_of(wildcards.split),
        metadata=lambda wildcards: metadata_of_books(),
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
        source=config["corpus"]["source"],
        corpus=lambda wildcards: config["corpus"]["path"],
        line_ends=config["corpus"]["line_ends"],
        settings=canonical_json(config["tokenize"]),
        code=code_of("data_prep.tokenize_command", f"data_prep.sources.{config['corpus']['source']}"),
    shell:
        "python -m data_prep tokenize --source {params.source} --input {params.corpus:q} --split {wildcards.split} "
        "--line-ends {params.line_ends} --tokenizer {input.tokenizer:q} --settings {params.settings:q} "
        "--workers {threads} --output {output.folder:q} > {log:q} 2>&1"
