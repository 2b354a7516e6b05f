rule train_tokenizer:
    input:
        unpack(lambda wildcards: plan.data.tokenizer_sources()),
    output:
        folder=directory("<results>/tokenizer"),
    log:
        "<results>/logs/train_tokenizer.log",
    benchmark:
        "<results>/benchmarks/train_tokenizer.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        corpus=plan.data.tokenizer_corpus(),
        settings=plan.data.tokenizer_settings(),
        packages=packages.of("data"),
        code=plan.code_of_tokenizer(),
    shell:
        "python -m data_prep tokenizer --corpus {params.corpus:q} --settings {params.settings:q} "
        "--output {output.folder:q} > {log:q} 2>&1"
