"""The tree of an expression → `rules.ir`, with types and names checked against the vocabulary."""
