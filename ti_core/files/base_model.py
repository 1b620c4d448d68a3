"""The model that an embedding was made on, beside the one that it meets.

Vectors mean what the text encoder and the network that they were learned with make of them; other
checkpoints of the same family read them otherwise, and often worse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..events import Notice

if TYPE_CHECKING:
    from ..port.session import ModelFacts
    from .embedding import Embedding

_HASH = re.compile("[0-9a-f]{10,64}")
"""The start of a SHA-256, as A1111 since 2023 and we write it; older hashes have 8 digits."""
_DIGITS = 10
_ENDING = re.compile(r"\.(safetensors|ckpt|pt|bin)$")


def other_base(embedding: Embedding, facts: ModelFacts) -> list[Notice]:
    """A warning where an embedding was made on another model than this one."""
    return other_than(embedding, facts.checkpoint_name, facts.checkpoint_hash)


def other_than(embedding: Embedding, name: str, digest: str = "") -> list[Notice]:
    """The same for a checkpoint of this name ("" for unknown), with a SHA-256 that begins so."""
    told = embedding.metadata
    made_on = told.get("ti.base_model", ""), told.get("ti.base_model_hash", "")
    why = "there its vectors may mean something else, or less"
    return other_model(embedding.name, made_on, (name, digest), why)


def other_model(
    file: str, made_on: tuple[str, str], present: tuple[str, str], why: str
) -> list[Notice]:
    """A warning where a file was made on another checkpoint than the present one, each given as
    (name, start of its SHA-256), "" for unknown.

    Hashes decide where both are known, else names. Nothing is said where a file does not tell.
    """
    (own, own_digest), (name, digest) = made_on, present
    if not _differs(own_digest, digest, own, name):
        return []
    this = _spelled(name, digest)
    what = f"{file} was made on {_spelled(own, own_digest)}, and this model is {this}"
    return [Notice("warning", what, why, "for what was learned, use the model it was made on")]


def _spelled(name: str, digest: str) -> str:
    return " ".join(part for part in (name, f"[{digest}]" if digest else "") if part)


def _differs(digest: str, other_digest: str, name: str, other_name: str) -> bool:
    one, two = digest.lower(), other_digest.lower()
    if _HASH.fullmatch(one) and _HASH.fullmatch(two):
        return one[:_DIGITS] != two[:_DIGITS]
    return bool(name and other_name) and _plain(name) != _plain(other_name)


def _plain(name: str) -> str:
    """Programs write a checkpoint's name with its folder and ending, or without."""
    return _ENDING.sub("", re.split(r"[/\\]", name)[-1].lower())
