"""Tokens: what becomes of a record, shard by shard, with every character accounted for; and reading them again."""
