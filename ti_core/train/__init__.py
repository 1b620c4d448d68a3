"""Training against a model that a host lends: of an embedding, or another learnable."""
