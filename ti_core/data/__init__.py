"""From a folder of pictures to tensors and prompts."""
