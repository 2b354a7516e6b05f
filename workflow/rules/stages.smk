# The stages by the names that people say: `snakemake --profile slurm evaluate` makes all up to there.
rule tokens:
    input:
        expand("<results>/tokens/{split}", split=["train", "validation"]),
    localrule: True


rule packs:
    input:
        expand("<results>/packs/{split}", split=["train", "validation"]),
    localrule: True


rule train:
    input:
        expand("<results>/models/{method}", method=plan.methods),
    localrule: True


# A training ends with its export: the Hugging Face folder is what `train_method` makes.
rule export:
    input:
        expand("<results>/models/{method}", method=plan.methods),
    localrule: True


rule evaluate:
    input:
        plan.cell_paths("<results>/eval/{model}/{way}/{benchmark}/{task}/{length}/score.json"),
    localrule: True


rule figures:
    input:
        plan.analysis.figure_paths(),
    localrule: True
