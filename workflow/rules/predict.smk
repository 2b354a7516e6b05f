# One job a cell. Its model, once loaded, goes on with the cells that the plan puts beside it; their jobs then only give
# the answers their names. The plan decides nothing about an answer, so it is no input.
rule generate:
    input:
        model=asked_often(plan.model_of),
        samples="<results>/samples/{benchmark}/{task}/{length}.jsonl",
    output:
        predictions="<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl",
    log:
        "<results>/logs/generate/{model}-{way}-{benchmark}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/generate/{model}-{way}-{benchmark}-{task}-{length}.tsv"
    wildcard_constraints:
        way=plan.ways_by(trainer=False),
    group:
        groups.of("generate")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        lanes=1,
        mem_mb=more_at_each_attempt,
        runtime=60,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        way=asked_often(plan.way_option),
        settings=no_reason(plan.answer_settings),
        decisive=asked_often(plan.decisive_answer_settings),
        plan=SHARED_MODELS,
        packages=packages.of("answers"),
        code=asked_often(plan.code_of_answers),
    shell:
        "{params.devices}python -m eval generate --model {input.model:q} --samples {input.samples:q} --plan {params.plan:q} "
        "{params.way} --settings {params.settings:q} --output {output.predictions:q} > {log:q} 2>&1"


# The gradient as a detector is the trainer's.
rule detect_critical_tokens:
    input:
        model=asked_often(plan.model_of),
        samples="<results>/samples/{benchmark}/{task}/{length}.jsonl",
    output:
        predictions="<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl",
    log:
        "<results>/logs/detect_critical_tokens/{model}-{way}-{benchmark}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/detect_critical_tokens/{model}-{way}-{benchmark}-{task}-{length}.tsv"
    wildcard_constraints:
        way=plan.ways_by(trainer=True),
    group:
        groups.of("detect_critical_tokens")
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        lanes=1,
        mem_mb=more_at_each_attempt,
        runtime=60,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        lr=config["detect"]["lr"],
        beta=config["detect"]["beta"],
        reduction=config["detect"]["reduction"],
        packages=packages.of("training"),
        code=plan.code("megatron_cdt.detect_command"),
    shell:
        "{params.devices}python -m megatron_cdt detect --model {input.model:q} --data {input.samples:q} --lr {params.lr} "
        "--beta {params.beta} --reduction {params.reduction} --output {output.predictions:q} > {log:q} 2>&1"
