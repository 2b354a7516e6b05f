"""What a training step costs: operations, memory, time; one file a measurement, one table each.

python -m benches.train --output docs/benchmarks/train-cpu        (the same as `make bench-train`)
python -m benches.train --gpu                                     (an 8B-shaped model; see gpu.py)
"""
