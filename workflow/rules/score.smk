rule score:
    input:
        samples="<results>/samples/{task}/{length}.jsonl",
        predictions="<results>/eval/{model}/{task}/{length}/predictions.jsonl",
    output:
        score="<results>/eval/{model}/{task}/{length}/score.json",
    log:
        "<results>/logs/score/{model}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/score/{model}-{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=lambda wildcards: code_of("eval.score_command", KNOWN_TASKS[wildcards.task].score_module),
    shell:
        "python -m eval score --samples {input.samples:q} --predictions {input.predictions:q} "
        "--model-name {wildcards.model} --output {output.score:q} > {log:q} 2>&1"
