"""Every file that holds an embedding: reading, writing, names and metadata."""
