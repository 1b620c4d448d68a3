"""Latents kept between runs: images that were encoded once need no VAE again."""
