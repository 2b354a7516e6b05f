"""Instruments: what a model's answer rests on, measured token by token, and what happens when its noise is moved."""
