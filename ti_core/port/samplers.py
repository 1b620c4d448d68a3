"""Names of samplers; needs no torch, so that command lines are read without it."""

SAMPLERS = ("Euler", "Euler a", "Heun", "DPM++ 2M", "DPM++ 2M Karras", "DDIM")
"""Samplers of preview pictures that every host has, under A1111's names."""
