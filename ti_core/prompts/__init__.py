"""Which words of a prompt stand for embeddings, and which only look as if they were meant to."""
