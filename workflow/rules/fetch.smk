# Files of the configuration's `fetch` section. A download that breaks off goes on from FILE.partial, which is not
# declared, so Snakemake leaves it in place for the next attempt.
if config["fetch"]:

    rule fetch:
        output:
            file="{fetched}",
        log:
            "<results>/logs/fetch/{fetched}.log",
        benchmark:
            "<results>/benchmarks/fetch/{fetched}.tsv"
        wildcard_constraints:
            fetched=any_of(config["fetch"]),
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=1440,
        params:
            # Wherever a file comes from, its hash says what it is.
            url=no_reason(lambda wildcards: config["fetch"][wildcards.fetched]["url"]),
            sha256=lambda wildcards: config["fetch"][wildcards.fetched]["sha256"],
        shell:
            "python -m data_prep fetch --url {params.url:q} --sha256 {params.sha256} --output {output.file:q} "
            "> {log:q} 2>&1"
