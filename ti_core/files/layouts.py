"""What a dictionary of tensors means: one small recogniser for each program's layout.

| written by | layout |
|---|---|
| A1111 | "string_to_param" → {"*": rows}, "name", "step", "sd_checkpoint", "sd_checkpoint_name" |
| LDM, hlky | "string_to_param" → ParameterDict of any placeholders, "string_to_token" |
| kohya, invoke-training, ai-toolkit, OneTrainer | "emb_params", or "clip_l" and "clip_g" |
| OneTrainer, diffusers, ComfyUI | keys of more encoders: "t5" or "t5xxl", "qwen3_4b"… |
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
from ..families import (
    ENCODER_KEYS,
    OTHER_KEYS,
    OTHER_NAMES,
    OUTPUT,
    SDXL,
    WIDEST_CLIP,
    WORDS,
)
from .embedding import ONE_ENCODER

BUNDLE = "bundle_emb."
"""Before the names of embeddings that are in the file of a LoRA."""

MOST_NUMBERS = 16 * 2**20
"""In all tables of a file: 1024 vectors for SDXL are 2 million numbers. Many names for one table
cost a file nothing, but each would be copied."""

_PARAMETERS = "string_to_param"
_SDXL = tuple(SDXL.widths)
_KEYS = {
    ONE_ENCODER: ONE_ENCODER,
    "emp_params": ONE_ENCODER,  # OneTrainer's slip of the pen, for SD1
    **{key: key for key in (*ENCODER_KEYS, *OTHER_KEYS)},
    **OTHER_NAMES,
}
"""Names of tables in files → ours, which are ComfyUI's."""
_KEYS |= {f"{key}{OUTPUT}": f"{ours}{OUTPUT}" for key, ours in _KEYS.items()}
_SINGLE = {ONE_ENCODER, *ENCODER_KEYS}
"""Keys of CLIP's only table, which need not be told apart."""
_BUNDLED = re.compile(re.escape(BUNDLE) + rf"(.+)\.({'|'.join(_KEYS)})", re.DOTALL)
_BUNDLED_PARAMETER = re.compile(re.escape(BUNDLE) + rf"(.+)\.{_PARAMETERS}\.(.+)", re.DOTALL)
"""Both take every character: from a line break they would look back again and again."""
_NETWORK = re.compile(
    r"^(tensors|optimizer|lora|lycoris|unet|transformer|model|te\d?)[._]|\.(weight|bias|alpha)$"
)
_CHECKPOINTS = ("state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Term:
    """One embedding in a file."""

    name: str
    """The word that stands for it in the file; "" when the file gives none."""
    tables: dict[str, Any]
    """"emb_params", "clip_l" and "clip_g", "t5xxl"… → what the file has there, as it is stored."""


def recognised(content: object, origin: str) -> list[Term]:
    """The embeddings in what a file holds: a dictionary, a list of them, or a tensor.

    The tables are as they are stored; nothing about their shapes is promised.
    Raises EmbeddingError, with the likely mistake, when there is none; `origin` is its path.
    """
    readers = (_bare, _bundled, _parameters, _known_keys, _first_scripts, _halves, _tokens)
    for recognise in readers:
        if terms := recognise(content):
            return terms
    raise EmbeddingError(f"{origin} contains no embedding", *_mistake(content))


def _bare(content: object) -> list[Term] | None:
    """The table alone, saved without a dictionary."""
    return [Term("", {ONE_ENCODER: content})] if isinstance(content, Tensor) else None


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
        return [Term(word, {ONE_ENCODER: table}) for word, table in rows.items()]
    (word, table), name = next(iter(rows.items())), content.get("name")
    own = name if isinstance(name, str) else "" if word == "*" else word
    return [Term(own, {ONE_ENCODER: table})]


def _known_keys(content: object) -> list[Term] | None:
    """The keys that name the text encoder, each for one table."""
    found: dict[str, Any] = dict(_tensors(content))
    if isinstance(
        content, Mapping
    ):  # what is not a tensor under such a name is told when it is read
        found |= {key: content[key] for key in _KEYS if key in content and key not in WORDS}
    if not _names_tables(found):
        return None
    tables = {ours: found[key] for key, ours in _KEYS.items() if key in found}
    inputs = [key for key in tables if not key.endswith(OUTPUT)]
    if not inputs or len(tables) < len(found):
        return None
    only = inputs[0] if len(inputs) == 1 and inputs[0] in _SINGLE else ""
    single = {only: ONE_ENCODER, f"{only}{OUTPUT}": f"{ONE_ENCODER}{OUTPUT}"} if only else {}
    return [Term("", {single.get(key, key): rows for key, rows in tables.items()})]


def _names_tables(found: Mapping[str, Any]) -> bool:
    known = bool(found) and all(key in _KEYS for key in found)
    return known and any(map(_is_key, found.items()))


def _is_key(item: tuple[str, Any]) -> bool:
    """Whether a known name cannot be a word of diffusers' layout: somebody's cat may be Gemma."""
    key, rows = item
    return key not in WORDS or (bool(rows.dim()) and rows.shape[-1] > WIDEST_CLIP)


def _first_scripts(content: object) -> list[Term] | None:
    """diffusers' advanced training scripts before they wrote "clip_l" and "clip_g"."""
    keys = ("text_encoders_0", "text_encoders_1")
    found = dict(_tensors(content))
    if set(found) == {keys[0]}:
        return [Term("", {ONE_ENCODER: found[keys[0]]})]
    if set(found) != set(keys):
        return None
    return [Term("", dict(zip(_SDXL, (found[key] for key in keys), strict=True)))]


def _halves(content: object) -> list[Term] | None:
    """A list of one dictionary for each text encoder, as ComfyUI takes it."""
    if not isinstance(content, (list, tuple)) or not 1 <= len(content) <= 2:
        return None
    halves = [_known_keys(half) or _tokens(half) or [] for half in content]
    if any(len(terms) != 1 or len(terms[0].tables) != 1 for terms in halves):
        return None
    return halves[0] if len(halves) == 1 else [joined(halves[0][0], halves[1][0])]


def joined(one: Term, two: Term) -> Term:
    """Two halves of an SDXL embedding, in any order: the narrower table belongs to clip_l."""
    tables = [table for term in (one, two) for table in term.tables.values()]
    # a single number has no width, and what is not a tensor is told when it is read
    tables.sort(key=lambda rows: rows.shape[-1:] if isinstance(rows, Tensor) else ())
    return Term(one.name, dict(zip(_SDXL, tables, strict=True)))


def _tokens(content: object) -> list[Term] | None:
    """diffusers: every key is a token."""
    found = dict(_tensors(content))
    network = any(_NETWORK.search(key) for key in found)
    flat = all(rows.dim() in (1, 2) and rows.is_floating_point() for rows in found.values())
    same = len({rows.shape[-1] for rows in found.values() if rows.dim()}) == 1
    if _names_tables(found) or (len(found) > 1 and (network or not flat or not same)):
        return None
    return [Term(key, {ONE_ENCODER: rows}) for key, rows in _numbered(found).items()]


def reads_as_word(word: str, rows: Tensor) -> bool:
    """Whether diffusers' layout keeps an embedding under this word: no reader must take it for the
    name of a table."""
    try:
        (term,) = recognised({word: rows}, word)
    except EmbeddingError:
        return False
    return list(term.tables) == [ONE_ENCODER]


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
    """Tensors by name; whatever else is in a dictionary is not a table."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(key, str) and isinstance(value, Tensor):
                yield key, value


def _mistake(content: object) -> tuple[str, str]:
    """(what it is instead, what to do)"""
    if not isinstance(content, Mapping):
        return "it is not a dictionary of tensors", ""
    keys = [key for key in content if isinstance(key, str)]
    tables = sorted(key for key in keys if key in _KEYS)
    if tables and tables == sorted(keys):
        return _unusable(tables)
    if "optimizer_state_dict" in keys:
        return "it is what A1111's optimizer kept beside one", "give the .pt without .optim"
    if any(key.startswith("tensors.") for key in keys):
        return "it is the state of a run", "resume that run, or give the embedding that it wrote"
    if any(key in keys for key in _CHECKPOINTS):
        return "it is a checkpoint", "give an embedding file"
    if any(isinstance(key, int) for key in content):
        return "it is a hypernetwork or the state of an optimizer", "give an embedding file"
    if any(_NETWORK.search(key) for key in keys):
        return "it is a LoRA or another network, without an embedding in it", ""
    count = sum(1 for _ in _tensors(content))
    return f"it has {count} tensors where an embedding has one, or clip_l and clip_g", ""


def _unusable(tables: list[str]) -> tuple[str, str]:
    """Why known names of tables are not an embedding."""
    if all(key.endswith(OUTPUT) for key in tables):
        why = f"{', '.join(tables)}: vectors for the output of text encoders, none for the input"
        return why, "train without OneTrainer's 'output embedding'"
    return f"{', '.join(tables)}: two tables for one text encoder", "leave one of them out"
