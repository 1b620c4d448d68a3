"""Which words of a prompt are embeddings."""
