"""Megatron-core made to run here: device, process groups, attention, RoPE, the model itself.

Everything that depends on the version of megatron-core or on the kind of device is in this folder.
"""

import warnings

# Megatron-core warns at import, once per optional library that is absent (apex, TransformerEngine) and about
# its own deprecations. None of it is news to the person who runs a training here.
warnings.filterwarnings("ignore", module=r"megatron\.")
warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
