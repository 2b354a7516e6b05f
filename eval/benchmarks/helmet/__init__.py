"""HELMET (Yen et al., 2025): seven categories of long-context tasks, from recall to generation with citations.

The data folder (`eval.data.helmet`) is HELMET's own `data/` folder, with what HELMET takes from a hub beside it:
json_kv/, ruler/, kilt/, msmarco/, alce/, multi_lexsum/, infbench/, narrativeqa/, icl/.
A task whose files are absent says which one it looked for; json_kv is made without any.
"""
