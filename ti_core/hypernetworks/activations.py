"""The activation functions of hypernetworks, under A1111's names; free of torch."""

from __future__ import annotations

from typing import Literal, get_args

ActivationName = Literal[
    "linear",
    "relu",
    "leakyrelu",
    "elu",
    "swish",
    "tanh",
    "sigmoid",
    "celu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardtanh",
    "logsigmoid",
    "logsoftmax",
    "mish",
    "prelu",
    "relu6",
    "rrelu",
    "selu",
    "silu",
    "softmax",
    "softmax2d",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
]
"""A1111's choices without glu and threshold, which it offers and which fail there at the first
image: one halves what the next layer wants whole, the other needs numbers that no one asks for.
"""

CLASSES = {
    "relu": "ReLU",
    "leakyrelu": "LeakyReLU",
    "elu": "ELU",
    "swish": "Hardswish",
    "hardswish": "Hardswish",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "celu": "CELU",
    "gelu": "GELU",
    "hardshrink": "Hardshrink",
    "hardsigmoid": "Hardsigmoid",
    "hardtanh": "Hardtanh",
    "logsigmoid": "LogSigmoid",
    "logsoftmax": "LogSoftmax",
    "mish": "Mish",
    "prelu": "PReLU",
    "relu6": "ReLU6",
    "rrelu": "RReLU",
    "selu": "SELU",
    "silu": "SiLU",
    "softmax": "Softmax",
    "softmax2d": "Softmax2d",
    "softmin": "Softmin",
    "softplus": "Softplus",
    "softshrink": "Softshrink",
    "softsign": "Softsign",
    "tanhshrink": "Tanhshrink",
}
"""Name → class in `torch.nn`; "linear" has none. Files may say hardswish, which A1111 reads and
does not offer."""

KNOWN = ("linear", *CLASSES)
"""Every name that a file may have."""

IN_COMFYUI = frozenset(
    ("linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish")
)
"""What ComfyUI's loader reads (`comfy_extras/nodes_hypernetwork.py`)."""

ACROSS_THE_BATCH = frozenset(("softmax", "softmin", "logsoftmax", "softmax2d"))
"""They share out 1 among the images of a batch, so that an image depends on its neighbours:
torch's classes take the first dimension where none is named, and A1111 names none."""

CHOICES: tuple[str, ...] = get_args(ActivationName)
