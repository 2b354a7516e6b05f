rule score:
    input:
        samples="<results>/samples/{benchmark}/{task}/{length}.jsonl",
        predictions="<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl",
        judges=asked_often(plan.judge_files) if plan.has_judges else [],
    output:
        score="<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/score.json",
    log:
        "<results>/logs/score/{model}-{way}-{benchmark}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/score/{model}-{way}-{benchmark}-{task}-{length}.tsv"
    group:
        groups.of("score")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        lanes=1,
        mem_mb=1000,
        # Without a model that judges it is seconds.
        runtime=30 if plan.has_judges else 5,
    params:
        judges=asked_often(plan.judge_options) if plan.has_judges else "",
        scoring=asked_often(plan.scoring_options),
        packages=packages.of("scores"),
        code=asked_often(plan.code_of_score),
    shell:
        "python -m eval score --samples {input.samples:q} --predictions {input.predictions:q} "
        "--model-name {wildcards.model} {params.judges} {params.scoring} --output {output.score:q} > {log:q} 2>&1"
