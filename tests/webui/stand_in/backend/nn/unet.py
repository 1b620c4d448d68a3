"""The UNet's module, where the attention function is bound by name."""

from backend.attention import attention_in_pieces as attention_function

__all__ = ["attention_function"]
