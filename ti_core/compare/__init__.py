"""The copies of an embedding side by side, and which of them is the best."""
