"""The benchmarks, one package each: settings, builders of samples, scorers (see eval.registry)."""
