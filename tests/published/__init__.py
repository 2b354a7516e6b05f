"""Small files in the formats in which the benchmarks are published, made from a public-domain book."""
