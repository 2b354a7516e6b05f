rule build_samples:
    input:
        unpack(lambda wildcards: sample_sources(wildcards.task)),
        tokenizer="<results>/tokenizer",
    output:
        samples="<results>/samples/{task}/{length}.jsonl",
        manifest="<results>/samples/{task}/{length}.manifest.json",
    log:
        "<results>/logs/build_samples/{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/build_samples/{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=240,
    params:
        sources=lambda wildcards: sample_options(wildcards.task),
        settings=lambda wildcards: canonical_json(task_settings(wildcards.task, wildcards.length)),
        code=lambda wildcards: code_of("eval.build_command", KNOWN_TASKS[wildcards.task].build_module),
    shell:
        "python -m eval build --task {wildcards.task} --length {wildcards.length} --tokenizer {input.tokenizer:q} "
        "{params.sources} --settings {params.settings:q} --output {output.samples:q} > {log:q} 2>&1"
