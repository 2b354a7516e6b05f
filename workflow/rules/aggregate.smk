rule aggregate:
    input:
        scores=asked_often(plan.scores_of),
    output:
        aggregate="<results>/eval/{model}/{way}/{benchmark}/aggregate.json",
    log:
        "<results>/logs/aggregate/{model}-{way}-{benchmark}.log",
    benchmark:
        "<results>/benchmarks/aggregate/{model}-{way}-{benchmark}.tsv"
    group:
        groups.of("aggregate")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        lanes=1,
        mem_mb=1000,
        runtime=5,
    params:
        packages=packages.of("scores"),
        code=asked_often(plan.code_of_average),
    shell:
        "python -m eval aggregate --scores {input.scores:q} --output {output.aggregate:q} > {log:q} 2>&1"
