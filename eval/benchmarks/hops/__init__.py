"""The multi-hop probe: which tokens does a model's answer rest on?"""
