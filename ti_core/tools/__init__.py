"""Tools for finished embeddings: merge, scale, compare, explain, make from text."""
