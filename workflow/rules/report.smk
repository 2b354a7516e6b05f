rule report:
    input:
        aggregates=aggregate_paths("<results>/eval/{model}/{way}/{benchmark}/aggregate.json"),
        models=expand("<results>/models/{method}", method=METHODS),
        tokenizer="<results>/tokenizer",
        data=expand("<results>/inspect/{stage}/train.json", stage=["tokens", "packs"]),
        stages=expand("<results>/{stage}", stage=STAGE_FOLDERS),
        samples=sample_paths("<results>/samples/{benchmark}/{task}/{length}.manifest.json"),
        pictured=pictured_cells("<results>/samples/{benchmark}/{task}/{length}.jsonl"),
        detected=pictured_cells("<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl"),
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
        run_name=config["run"],
        metrics=[f"{method}={run_folder(method)}/metrics.jsonl" for method in METHODS],
        validation=[f"{method}={run_folder(method)}/validation.jsonl" for method in METHODS],
        data=lambda wildcards, input: [f"{Path(file).parent.name}={file}" for file in input.data],
        pictures=lambda wildcards, input: picture_options(input.pictured, input.detected),
        manifests=lambda wildcards, input: [f"{folder}/manifest.json" for folder in input.stages] + list(input.samples),
        code=code_of("eval.commands.report"),
    shell:
        "python -m eval report --run-name {params.run_name:q} --aggregates {input.aggregates:q} "
        "--metrics {params.metrics:q} "
        "--validation {params.validation:q} --data-summaries {params.data:q} {params.pictures} --tokenizer {input.tokenizer:q} "
        "--manifests {params.manifests:q} --output {output.page:q} > {log:q} 2>&1"
