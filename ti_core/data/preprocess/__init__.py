"""From photographs of any size and shape to pictures that can be trained on."""
