# The workflow itself is workflow/Snakefile. Rules that come through `include` are never the default target,
# so this file has a default of its own.
include: "workflow/Snakefile"


localrules:
    default,


rule default:
    default_target: True
    input:
        rules.all.input,
