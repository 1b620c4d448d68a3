"""Latents kept between runs: pictures that were encoded once need no VAE again."""
