"""A stand-in for the few modules of ComfyUI that our host imports, faithful in what is in its way.

Not ComfyUI's code: written from what it does. Models are tiny and random. The traps are real:
weights are made in the loader's inference mode and spoiled again by every load; text encoders are
stored in half precision, cast at each call, and add in place; the attention of choice has no
backward pass; patchers share one model; samplers seed the global generator; the VAE falls back to
tiles that work in inference mode only.
"""
