"""The training of vectors against a model that a host lends."""
