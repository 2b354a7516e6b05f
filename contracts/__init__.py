"""What the rooms of this project share, and nothing else.

data_prep, megatron_cdt and eval never import each other: they meet in files. This package holds what
those meetings need: settings that refuse unknown keys, files that appear whole or not at all,
fingerprints, manifests, the Arrow schemas, the tokenizer interface, and one-line errors.
"""
