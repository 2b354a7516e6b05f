"""The trainer: a Megatron-core model, the training objectives, and Context Denoising Training (CDT).

in : packed Arrow rows, a start checkpoint or a Hugging Face folder      out: a Hugging Face folder, metrics
Knows nothing of Snakemake or of eval. Runs on NCCL and TransformerEngine where they exist, else on gloo.
"""
