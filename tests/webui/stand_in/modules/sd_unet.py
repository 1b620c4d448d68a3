"""Replacements of the UNet, such as TensorRT's."""

current_unet = None
