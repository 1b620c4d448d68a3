"""Single-file checkpoints of Stable Diffusion: read, recognise, and translate to diffusers' names.

    reading        .safetensors or .ckpt → tensors by name
    recognition    which family it is, or what else it looks like
    architecture   shapes of the networks, read off the tensors
    keys_unet, keys_vae, keys_text   the original names → diffusers' and transformers' names
    noise_schedule alphas_cumprod from betas

Nothing here needs more than torch; no network is built.
"""
