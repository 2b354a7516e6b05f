rule report:
    input:
        aggregates=plan.aggregate_paths("<results>/eval/{model}/{way}/{benchmark}/aggregate.json"),
        models=expand("<results>/models/{method}", method=plan.methods),
        tokenizer="<results>/tokenizer",
        data=expand("<results>/inspect/{stage}/train.json", stage=["tokens", "packs"]),
        stages=expand("<results>/{stage}", stage=STAGE_FOLDERS),
        samples=plan.sample_paths("<results>/samples/{benchmark}/{task}/{length}.manifest.json"),
        pictured=plan.pictured_cells("<results>/samples/{benchmark}/{task}/{length}.jsonl"),
        detected=plan.pictured_cells("<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl"),
        looked_at=plan.analysis.shown("<results>/figures/{task}/{length}/{model}") + plan.analysis.shown_maps(),
    output:
        page=report("<results>/report.html", category="Results"),
        numbers="<results>/report.json",
        tables=directory("<results>/report.tables"),
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
        run_name=plan.run,
        metrics=plan.records_of_training("metrics.jsonl"),
        validation=plan.records_of_training("validation.jsonl"),
        data=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input.data],
        pictures=lambda wildcards, input: plan.picture_options(input.pictured, input.detected),
        analysis=plan.analysis.report_options(),
        manifests=lambda wildcards, input: [f"{folder}/manifest.json" for folder in input.stages] + list(input.samples),
        packages=packages.of("report"),
        code=plan.code("eval.commands.report"),
    shell:
        "python -m eval report --run-name {params.run_name:q} --aggregates {input.aggregates:q} "
        "--metrics {params.metrics:q} "
        "--validation {params.validation:q} --data-summaries {params.data:q} {params.pictures} {params.analysis} --tokenizer {input.tokenizer:q} "
        "--manifests {params.manifests:q} --output {output.page:q} > {log:q} 2>&1"
