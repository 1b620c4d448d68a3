"""From photographs of any size and shape to images that can be trained on."""
