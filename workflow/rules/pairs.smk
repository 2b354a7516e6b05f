# Focused Learning: the chunks of each sample's long text are scored against its question; all but the best are masked in
# a twin; no row parts a sample from its twin. Methods that learn from pairs read these rows, the others the plain ones.
rule rank:
    input:
        tokens="<results>/tokens/train",
        tokenizer="<results>/tokenizer",
        retriever=plan.data.retriever(),
    output:
        folder=directory("<results>/ranks/train"),
    log:
        "<results>/logs/rank.log",
    benchmark:
        "<results>/benchmarks/rank.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=more_at_each_attempt,
        runtime=240,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        settings=plan.data.pair_settings("rank"),
        packages=packages.of("answers"),
        code=plan.code("eval.commands.rank"),
    shell:
        "{params.devices}python -m eval rank --tokens {input.tokens:q} --tokenizer {input.tokenizer:q} "
        "--settings {params.settings:q} --output {output.folder:q} > {log:q} 2>&1"


rule augment:
    input:
        tokens="<results>/tokens/train",
        ranks="<results>/ranks/train",
        tokenizer="<results>/tokenizer",
    output:
        folder=directory("<results>/pairs/train"),
    log:
        "<results>/logs/augment.log",
    benchmark:
        "<results>/benchmarks/augment.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=plan.data.pair_settings("augment"),
        packages=packages.of("data"),
        code=plan.code("data_prep.commands.augment"),
    shell:
        "python -m data_prep augment --input {input.tokens:q} --ranks {input.ranks:q} --tokenizer {input.tokenizer:q} "
        "--settings {params.settings:q} --output {output.folder:q} > {log:q} 2>&1"


use rule pack as pack_pairs with:
    input:
        tokens="<results>/pairs/train",
    output:
        folder=directory("<results>/paired_packs/train"),
    log:
        "<results>/logs/pack_pairs.log",
    benchmark:
        "<results>/benchmarks/pack_pairs.tsv"
