import torch

device: torch.device
cpu: torch.device
dtype: torch.dtype
dtype_unet: torch.dtype
unet_needs_upcast: bool

def torch_gc() -> None: ...
