rule pack:
    input:
        tokens="<results>/tokens/{split}",
    output:
        folder=directory("<results>/packs/{split}"),
    log:
        "<results>/logs/pack/{split}.log",
    benchmark:
        "<results>/benchmarks/pack/{split}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=plan.section("pack"),
        packages=packages.of("data"),
        code=plan.code("data_prep.commands.pack"),
    shell:
        "python -m data_prep pack --input {input.tokens:q} --settings {params.settings:q} "
        "--output {output.folder:q} > {log:q} 2>&1"
