rule report:
    input:
        scores=cells("<results>/eval/{model}/{task}/{length}/score.json"),
        models=expand("<results>/models/{method}", method=METHODS),
    output:
        page="<results>/report.html",
        numbers="<results>/report.json",
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        run_name=config["run"],
        metrics=[f"{method}={run_folder(method)}/metrics.jsonl" for method in METHODS],
        code=code_of("eval.report_command"),
    shell:
        "python -m eval report --run-name {params.run_name:q} --scores {input.scores:q} --metrics {params.metrics:q} "
        "--output {output.page:q} > {log:q} 2>&1"
