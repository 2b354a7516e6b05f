rule train_method:
    input:
        packs=lambda wildcards: plan.packs_of(wildcards.method),
        validation="<results>/packs/validation",
        start="<results>/start",
        tokenizer="<results>/tokenizer",
    output:
        # Terminal artefacts only: Snakemake deletes what is declared before every attempt, and a retry must resume.
        model=directory("<results>/models/{method}"),
    log:
        "<results>/logs/train/{method}.log",
    benchmark:
        "<results>/benchmarks/train/{method}.tsv"
    conda:
        "../../environment.yml"
    threads: plan.train_threads
    resources:
        mem_mb=5000,
        runtime=1440,
    params:
        # From resources, hence no reason to train again: the machine is not part of what is computed.
        launcher=lambda wildcards, resources, threads: launcher(resources, threads),
        run_folder=lambda wildcards: plan.run_folder(wildcards.method),
        settings=no_reason(lambda wildcards: canonical_json(plan.train_settings(wildcards.method))),
        decisive=lambda wildcards: canonical_json(plan.decisive_train_settings(wildcards.method)),
        packages=packages.of("training"),
        code=lambda wildcards: plan.code_of_training(wildcards.method),
    shell:
        # It starts its own processes, one command a node: torchrun would turn the exit code 75, "run me again", into 1.
        "{params.launcher}python -m megatron_cdt train --settings {params.settings:q} --data {input.packs:q} "
        "--validation {input.validation:q} --start-checkpoint {input.start:q} --tokenizer {input.tokenizer:q} "
        "--run-folder {params.run_folder:q} "
        "--output {output.model:q} --if-changed set-aside > {log:q} 2>&1"
