rule start_model:
    input:
        unpack(lambda wildcards: plan.given_model()),
        tokenizer="<results>/tokenizer",
    output:
        checkpoint=directory("<results>/start"),
    log:
        "<results>/logs/start_model.log",
    benchmark:
        "<results>/benchmarks/start_model.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=plan.start_settings(),
        packages=packages.of("training"),
        code=plan.code("megatron_cdt.huggingface.import_command"),
    shell:
        "python -m megatron_cdt import-hf --settings {params.settings:q} --vocab-size-from {input.tokenizer:q} "
        "--output {output.checkpoint:q} > {log:q} 2>&1"
