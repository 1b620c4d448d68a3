"""What surrounds a network."""
