# What the models' answers to the multi-hop probe rest on. Each command goes on with what lies in its folder, so only the
# files that it writes last are declared.
rule analyse:
    input:
        model=asked_often(plan.model_of),
        samples="<results>/samples/hops/{task}/{length}.jsonl",
    output:
        table="<results>/analysis/instruments/{model}/{task}/{length}/table.json",
        manifest="<results>/analysis/instruments/{model}/{task}/{length}/manifest.json",
    log:
        "<results>/logs/analyse/{model}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/analyse/{model}-{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=more_at_each_attempt,
        runtime=240,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        folder=lambda wildcards, output: Path(output.table).parent,
        settings=plan.analysis.settings("measured"),
        packages=packages.of("answers"),
        code=plan.code(*plan.analysis.roots_of_instruments()),
    shell:
        "{params.devices}python -m eval analyse --model {input.model:q} --samples {input.samples:q} "
        "--settings {params.settings:q} --output {params.folder:q} > {log:q} 2>&1"


rule denoise:
    input:
        model=asked_often(plan.model_of),
        samples="<results>/samples/hops/{task}/{length}.jsonl",
    output:
        table="<results>/analysis/denoising/{model}/{task}/{length}/denoising.json",
        manifest="<results>/analysis/denoising/{model}/{task}/{length}/manifest.json",
    log:
        "<results>/logs/denoise/{model}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/denoise/{model}-{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=more_at_each_attempt,
        runtime=240,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        folder=lambda wildcards, output: Path(output.table).parent,
        settings=plan.analysis.settings("denoising"),
        packages=packages.of("answers"),
        code=plan.code(*plan.analysis.roots_of_denoising()),
    shell:
        "{params.devices}python -m eval denoise --model {input.model:q} --samples {input.samples:q} "
        "--settings {params.settings:q} --output {params.folder:q} > {log:q} 2>&1"


# One picture of all models: the ones before a training first.
rule map_attention:
    input:
        models=[plan.model_folder(model) for model in plan.analysis.models],
        samples="<results>/samples/hops/{task}/{length}.jsonl",
    output:
        maps="<results>/analysis/maps/{task}/{length}/attention_maps.json",
        manifest="<results>/analysis/maps/{task}/{length}/manifest.json",
    log:
        "<results>/logs/map_attention/{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/map_attention/{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=more_at_each_attempt,
        runtime=60,
    params:
        devices=lambda wildcards, resources: on_devices(resources),
        folder=lambda wildcards, output: Path(output.maps).parent,
        models=[f"{model}={plan.model_folder(model)}" for model in plan.analysis.models],
        options=plan.analysis.map_options(),
        packages=packages.of("answers"),
        code=plan.code("eval.commands.attention_maps"),
    shell:
        "{params.devices}python -m eval attention_maps --models {params.models:q} --samples {input.samples:q} "
        "{params.options} --output {params.folder:q} > {log:q} 2>&1"


rule draw_figures:
    input:
        table="<results>/analysis/instruments/{model}/{task}/{length}/table.json",
        denoising=(
            "<results>/analysis/denoising/{model}/{task}/{length}/denoising.json"
            if plan.analysis.section.get("denoising")
            else []
        ),
    output:
        folder=directory("<results>/figures/{task}/{length}/{model}"),
    log:
        "<results>/logs/draw_figures/{model}-{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/draw_figures/{model}-{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        denoising=lambda wildcards, input: f"--denoising {Path(input.denoising).parent}" if input.denoising else "",
        measured=lambda wildcards, input: Path(input.table).parent,
        packages=packages.of("report"),
        code=plan.code("eval.commands.figures"),
    shell:
        "python -m eval figures {params.denoising} --analysis {params.measured:q} --output {output.folder:q} > {log:q} 2>&1"


rule draw_maps:
    input:
        maps="<results>/analysis/maps/{task}/{length}/attention_maps.json",
    output:
        folder=directory("<results>/figures/{task}/{length}/maps"),
    log:
        "<results>/logs/draw_maps/{task}-{length}.log",
    benchmark:
        "<results>/benchmarks/draw_maps/{task}-{length}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        maps=lambda wildcards, input: Path(input.maps).parent,
        packages=packages.of("report"),
        code=plan.code("eval.commands.figures"),
    shell:
        "python -m eval figures --maps {params.maps:q} --output {output.folder:q} > {log:q} 2>&1"
