"""The trainer: a Megatron-core model, the training objectives, and Context Denoising Training (CDT).

in : packed Arrow rows, a start checkpoint or a Hugging Face folder      out: a Hugging Face folder, metrics
Knows nothing of Snakemake or of eval. Runs on NCCL and TransformerEngine where they exist, else on gloo.
"""

import warnings

# Megatron-core warns at import, once per optional library that is absent (apex, TransformerEngine) and about
# its own deprecations. None of it is news to the person who runs a training here.
warnings.filterwarnings("ignore", module=r"megatron\.")
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
