"""The nodes, by subject."""
