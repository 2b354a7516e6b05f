"""Megatron-core made to run here: device, process groups, attention, RoPE, the model itself.

Everything that depends on the version of megatron-core or on the kind of device is in this folder.
"""
