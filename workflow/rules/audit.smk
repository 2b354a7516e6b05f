# `snakemake audit`: one folder that says what the run was made of. It reads all that lies in the run folder; what it
# declares as input is what comes last. Its own log and benchmark are no part of what it speaks for.
os.environ.update(MEGATRON_CDT_COMMAND_LINE=shlex.join(sys.argv))


rule audit:
    input:
        page="<results>/report.html",
        numbers="<results>/report.json",
        figures=plan.analysis.figure_paths(),
    output:
        folder=directory("<results>/audit"),
    log:
        "<results>/logs/audit.log",
    benchmark:
        "<results>/benchmarks/audit.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=canonical_json(config),
        config_files=[os.path.relpath(path) for path in workflow.configfiles],
    shell:
        "MEGATRON_CDT_RECORDS= python -m workflow.audit make --settings {params.settings:q} "
        "--config-files {params.config_files:q} --output {output.folder:q} > {log:q} 2>&1"
