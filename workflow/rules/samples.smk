rule build_samples:
    input:
        unpack(asked_often(plan.sample_sources)),
        tokenizer="<results>/tokenizer",
    output:
        samples="<results>/samples/{benchmark}/{task}/{length}.jsonl",
        manifest="<results>/samples/{benchmark}/{task}/{length}.manifest.json",
    log:
        "<results>/logs/build_samples/{benchmark}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/build_samples/{benchmark}-{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=more_at_each_attempt,
        runtime=240,
    params:
        sources=asked_often(plan.sample_options),
        settings=asked_often(plan.sample_settings),
        packages=packages.of("samples"),
        code=asked_often(plan.code_of_samples),
    shell:
        "python -m eval build --benchmark {wildcards.benchmark} --task {wildcards.task} --length {wildcards.length} "
        "--tokenizer {input.tokenizer:q} {params.sources} --settings {params.settings:q} --output {output.samples:q} > {log:q} 2>&1"
