# What lies in a folder of tokens or packs, in numbers: the report draws them.
rule inspect:
    input:
        folder="<results>/{stage}/{split}",
        tokenizer="<results>/tokenizer",
    output:
        "<results>/inspect/{stage}/{split}.json",
    log:
        "<results>/logs/inspect/{stage}/{split}.log",
    benchmark:
        "<results>/benchmarks/inspect/{stage}/{split}.tsv"
    wildcard_constraints:
        stage="tokens|packs",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        packages=packages.of("data"),
        code=plan.code("data_prep.commands.inspect"),
    shell:
        "python -m data_prep inspect {input.folder:q} --tokenizer {input.tokenizer:q} --json > {output:q} 2> {log:q}"
