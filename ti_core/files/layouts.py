"""What a dictionary of tensors means: one small recogniser for each program's layout.

| written by | layout |
|---|---|
| A1111 | "string_to_param" → {"*": rows}, "name", "step", "sd_checkpoint", "sd_checkpoint_name" |
| LDM, hlky | "string_to_param" → ParameterDict of any placeholders, "string_to_token" |
| kohya, invoke-training, ai-toolkit, OneTrainer | "emb_params", or "clip_l" and "clip_g" |
| diffusers | token → rows, or one row without the outer dimension |
| diffusers' advanced scripts | "text_encoders_0" and "text_encoders_1" |
| OneTrainer, in LoRA | "bundle_emb.NAME." before any of these |
| scripts of people's own | the rows alone, a tensor or Parameter |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import EmbeddingError
from ..families import ENCODER_KEYS, FAMILIES, SDXL
from .embedding import ONE_ENCODER

BUNDLE = "bundle_emb."
"""Before the names of embeddings that lie in the file of a LoRA."""

MOST_NUMBERS = 16 * 2**20
"""In all tables of a file: 1024 vectors for SDXL are 2 million numbers. Many names for one table
cost a file nothing, but each would be copied."""

_PARAMETERS = "string_to_param"
_SDXL = tuple(SDXL.widths)
_ALONE = (ONE_ENCODER, "emp_params", *ENCODER_KEYS)
"""Keys of the only table. OneTrainer writes "emp_params" for SD1."""
_TOGETHER = tuple(set(family.widths) for family in FAMILIES.values())
"""Keys of several tables."""
_TABLES = "|".join((*_ALONE, "t5", "t5xxl"))
_NOT_CLIP = re.compile(rf"({_TABLES})_out|t5|t5xxl|gemma|llama")
"""Tables that belong to an embedding and that SD1, SD2 and SDXL cannot use: the T5 of newer models,
and OneTrainer's `_out`, which are put behind the text encoder instead of before it."""
_WIDEST_CLIP = max(width for family in FAMILIES.values() for width in family.widths.values())
"""Numbers in a vector of CLIP-G; T5, Gemma and Llama are wider. Somebody's cat is called Gemma."""
_BUNDLED = re.compile(re.escape(BUNDLE) + rf"(.+)\.((?:{_TABLES})(?:_out)?)", re.DOTALL)
_BUNDLED_PARAMETER = re.compile(re.escape(BUNDLE) + rf"(.+)\.{_PARAMETERS}\.(.+)", re.DOTALL)
"""Both take every character: from a line break they would look back again and again."""
_NETWORK = re.compile(r"^(lora|lycoris|unet|transformer|model|te\d?)[._]|\.(weight|bias|alpha)$")
_CHECKPOINTS = ("state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Term:
    """One embedding in a file."""

    name: str
    """The word that stands for it in the file; "" when the file gives none."""
    tables: dict[str, Any]
    """"emb_params", or "clip_l" and "clip_g" → what the file has there, as it is stored."""
    left_out: dict[str, Tensor]
    """Tables beside these that are not used."""


def recognised(content: object, origin: str) -> list[Term]:
    """The embeddings in what a file holds: a dictionary, a list of them, or a tensor.

    The tables are as they are stored; nothing about their shapes is promised.
    Raises EmbeddingError, with the likely mistake, when there is none; `origin` is its path.
    """
    readers = (_bare, _bundled, _parameters, _known_keys, _first_scripts, _halves, _tokens)
    for recognise in readers:
        if terms := recognise(content):
            return terms
    raise EmbeddingError(f"{origin} holds no embedding", *_mistake(content))


def _bare(content: object) -> list[Term] | None:
    """The table alone, saved without a dictionary."""
    return [Term("", {ONE_ENCODER: content}, {})] if isinstance(content, Tensor) else None


def _bundled(content: object) -> list[Term] | None:
    """OneTrainer's LoRA: "bundle_emb.NAME.clip_l", "bundle_emb.NAME.string_to_param.*"…"""
    parts: dict[str, dict[str, Any]] = {}
    for key, rows in _tensors(content):
        if found := _BUNDLED_PARAMETER.fullmatch(key):
            parts.setdefault(found[1], {}).setdefault(_PARAMETERS, {})[found[2]] = rows
        elif found := _BUNDLED.fullmatch(key):
            parts.setdefault(found[1], {})[found[2]] = rows
    return [
        replace(term, name=name if len(terms) == 1 else f"{name}.{term.name}")
        for name, terms in ((n, _parameters(p) or _known_keys(p) or []) for n, p in parts.items())
        for term in terms
    ]


def _parameters(content: object) -> list[Term] | None:
    """A1111 and LDM; also ComfyUI's flat "string_to_param.*" of `.safetensors`."""
    if not isinstance(content, Mapping):
        return None
    table = content.get(_PARAMETERS)
    if isinstance(table, Mapping):
        table = table.get("_parameters", table)
        rows = dict(_tensors(table))
    else:
        start = f"{_PARAMETERS}."
        rows = {k.removeprefix(start): v for k, v in _tensors(content) if k.startswith(start)}
    if len(rows) != 1:
        return [Term(word, {ONE_ENCODER: table}, {}) for word, table in rows.items()]
    (word, table), name = next(iter(rows.items())), content.get("name")
    own = name if isinstance(name, str) else "" if word == "*" else word
    return [Term(own, {ONE_ENCODER: table}, {})]


def _known_keys(content: object) -> list[Term] | None:
    """The keys that name the text encoder."""
    if not isinstance(content, Mapping):
        return None
    used = {key: content[key] for key in _ALONE if key in content}
    if len(used) != 1 and set(used) not in _TOGETHER:
        return None
    left_out = {key: rows for key, rows in _tensors(content) if key not in used}
    if not all(map(_NOT_CLIP.fullmatch, left_out)):
        return None
    tables = dict(zip((ONE_ENCODER,), used.values(), strict=True)) if len(used) == 1 else used
    return [Term("", tables, left_out)]


def _first_scripts(content: object) -> list[Term] | None:
    """diffusers' advanced training scripts before they wrote "clip_l" and "clip_g"."""
    keys = ("text_encoders_0", "text_encoders_1")
    found = dict(_tensors(content))
    if set(found) == {keys[0]}:
        return [Term("", {ONE_ENCODER: found[keys[0]]}, {})]
    if set(found) != set(keys):
        return None
    return [Term("", dict(zip(_SDXL, (found[key] for key in keys), strict=True)), {})]


def _halves(content: object) -> list[Term] | None:
    """A list of one dictionary for each text encoder, as ComfyUI takes it."""
    if not isinstance(content, (list, tuple)) or not 1 <= len(content) <= 2:
        return None
    halves = [_tokens(half) or [] for half in content]
    if any(len(terms) != 1 for terms in halves):
        return None
    return halves[0] if len(halves) == 1 else [joined(halves[0][0], halves[1][0])]


def joined(one: Term, two: Term) -> Term:
    """Two halves of an SDXL embedding, in any order: the narrower table belongs to clip_l."""
    tables = [table for term in (one, two) for table in term.tables.values()]
    tables.sort(key=lambda rows: rows.shape[-1:])  # a single number has none
    return Term(one.name, dict(zip(_SDXL, tables, strict=True)), {**one.left_out, **two.left_out})


def _tokens(content: object) -> list[Term] | None:
    """diffusers: every key is a token."""
    found = dict(_tensors(content))
    network = any(_NETWORK.search(key) for key in found)
    flat = all(rows.dim() in (1, 2) and rows.is_floating_point() for rows in found.values())
    same = len({rows.shape[-1] for rows in found.values() if rows.dim()}) == 1
    if len(found) > 1 and (network or not flat or not same):
        return None
    found = _numbered(found)
    known = [key for key, rows in found.items() if not _is_foreign(key, rows)]
    return [Term(key, {ONE_ENCODER: found[key]}, {}) for key in known]


def names_foreign_table(word: str) -> bool:
    """Whether diffusers' layout cannot keep an embedding under this word: it would not be read."""
    return bool(_NOT_CLIP.fullmatch(word)) and word.endswith("_out")


def _is_foreign(key: str, rows: Tensor) -> bool:
    wide = bool(rows.dim()) and rows.shape[-1] > _WIDEST_CLIP
    return names_foreign_table(key) or (wide and bool(_NOT_CLIP.fullmatch(key)))


def _numbered(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """ "<cat>", "<cat>_1", "<cat>_2" of one row each are one embedding of three vectors: under
    these names diffusers puts the rows of a table into its vocabulary."""
    if sum(rows.numel() for rows in found.values()) > MOST_NUMBERS:
        return found
    result: dict[str, Tensor] = {}
    taken: set[str] = set()
    for key, rows in found.items():
        names = [key]
        while (name := f"{key}_{len(names)}") in found:
            names.append(name)
        if len(names) > 1 and _are_rows([found[name] for name in names]):
            rows = torch.stack([found[name].reshape(-1) for name in names])
            taken.update(names[1:])
        result[key] = rows
    return {key: rows for key, rows in result.items() if key not in taken}


def _are_rows(tables: list[Tensor]) -> bool:
    return all(rows.dim() == 1 or len(rows) == 1 for rows in tables)


def _tensors(content: object) -> Iterator[tuple[str, Tensor]]:
    """Tensors by name; whatever else is in a dictionary is no table."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str) and isinstance(value, Tensor):
                yield key, value


def _mistake(content: object) -> tuple[str, str]:
    """(what it is instead, what to do)"""
    if not isinstance(content, Mapping):
        return "it is not a dictionary of tensors", ""
    keys = [key for key in content if isinstance(key, str)]
    if keys and all(map(_NOT_CLIP.fullmatch, keys)):
        why = f"{', '.join(sorted(keys))}: text encoders of other models, or OneTrainer's outputs"
        return why, "train without OneTrainer's 'output embedding'"
    if any(key in keys for key in _CHECKPOINTS):
        return "it is a checkpoint", "give an embedding file"
    if any(isinstance(key, int) for key in content):
        return "it is a hypernetwork or the state of an optimiser", "give an embedding file"
    if any(_NETWORK.search(key) for key in keys):
        return "it is a LoRA or another network, without an embedding in it", ""
    count = sum(1 for _ in _tensors(content))
    return f"it has {count} tensors where an embedding has one, or clip_l and clip_g", ""
