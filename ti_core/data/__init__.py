"""From a folder of images to tensors and prompts."""
