"""The standalone host: checkpoints and diffusers folders, without any program around."""
