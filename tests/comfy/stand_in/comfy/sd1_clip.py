"""Text: prompts → tokens with weights → states."""

from __future__ import annotations

import re
import zlib
from typing import Any

import torch
from torch import Tensor, nn

import comfy.ops as ops

VOCABULARY, START, END, LENGTH = 1000, 998, 999, 77


class _Layer(ops.Linear):
    comfy_cast_weights = True


class _Norm(ops.LayerNorm):
    comfy_cast_weights = True


class CLIPLayer(nn.Module):
    """Adds to its input in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = _Norm(width), _Norm(width)
        self.self_attn = _Layer(width, width)
        self.mlp = nn.ModuleDict({"fc1": _Layer(width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """(B, 77, width); each position looks at those before it."""
        so_far = self.layer_norm1(x).cumsum(1) / torch.arange(1, 1 + x.shape[1])[:, None].to(x)
        x += torch.tanh(self.self_attn(so_far))
        x += torch.tanh(self.mlp["fc1"](self.layer_norm2(x)))
        return x


class CLIPTextModel(nn.Module):
    """Stored in half precision, computed in full."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.token_embedding = ops.Embedding(VOCABULARY, width)
        self.position_embedding = ops.Embedding(LENGTH, width)
        self.layers = nn.ModuleList(CLIPLayer(width) for _ in range(layers))
        self.final_layer_norm = _Norm(width)
        self.text_projection = _Layer(width, width, bias=False)

    def get_input_embeddings(self) -> ops.Embedding:
        """The vocabulary."""
        return self.token_embedding


class SDClipModel(nn.Module):
    """One text encoder; `layer_idx` is which layer's states are given, None for the last."""

    def __init__(self, width: int, layers: int, pad: int, layer_idx: int | None) -> None:
        super().__init__()
        self.transformer = CLIPTextModel(width, layers)
        self.num_layers, self.layer_idx = layers, layer_idx
        self.options_default = (layer_idx,)
        self.norms_hidden = pad == END  # SD 1
        self.special_tokens = {"start": START, "end": END, "pad": pad}
        self.requires_grad_(False)

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """Choose a layer; unknown options are no matter."""
        layer = options.get("layer", self.layer_idx)
        self.layer_idx = None if layer is None or abs(layer) > self.num_layers else layer

    def reset_clip_options(self) -> None:
        """Back to the family's custom."""
        (self.layer_idx,) = self.options_default

    def forward(self, tokens: list[list[int | Tensor]]) -> tuple[Tensor, Tensor]:
        """Lists of equal length, of numbers and vectors → states (N, 77, width), pooled."""
        net = self.transformer
        x = torch.cat([self._rows(chunk) for chunk in tokens])
        x = x + net.position_embedding.weight.to(x)
        hidden = x
        for number, layer in enumerate(net.layers):
            x = layer(x)
            if self.layer_idx is not None and number == len(net.layers) + self.layer_idx:
                hidden = x.clone()
        last = net.final_layer_norm(x)
        ends = [self._end(chunk) for chunk in tokens]
        pooled = net.text_projection(last[torch.arange(len(ends)), ends])
        if self.layer_idx is None:
            return last, pooled
        return net.final_layer_norm(hidden) if self.norms_hidden else hidden, pooled

    def _rows(self, chunk: list[int | Tensor]) -> Tensor:
        numbers = torch.tensor([[t for t in chunk if not torch.is_tensor(t)]])
        rows = self.transformer.token_embedding(numbers, out_dtype=torch.float32)
        for place, token in enumerate(chunk):
            if torch.is_tensor(token):
                vector = token.view(1, 1, -1).to(torch.float32)
                rows = torch.cat([rows[:, :place], vector, rows[:, place:]], dim=1)
        return rows

    def _end(self, chunk: list[int | Tensor]) -> int:
        return next(
            i for i, token in enumerate(chunk) if not torch.is_tensor(token) and token == END
        )

    def encode_token_weights(self, chunks: list[list[tuple[Any, float]]]) -> tuple[Tensor, Tensor]:
        """Chunks side by side, each position moved away from the empty prompt's by its weight."""
        lists = [[token for token, _ in chunk] for chunk in chunks]
        empty = [START, END] + [self.special_tokens["pad"]] * (LENGTH - 2)
        states, pooled = self([*lists, empty])
        for n, chunk in enumerate(chunks):
            for i, (_, weight) in enumerate(chunk):
                if weight != 1:
                    states[n][i] = (states[n][i] - states[-1][i]) * weight + states[-1][i]
        return torch.cat(list(states[:-1]), dim=0)[None], pooled[:1]


class ToyTokenizer:
    """Called like transformers' own; a word of more than eight letters has two tokens."""

    def __call__(
        self, text: str, add_special_tokens: bool = True, verbose: bool = True
    ) -> dict[str, list[int]]:
        """Numbers, with marks around them."""
        ids = []
        for word in re.findall(r"\w+|[^\w\s]", text.lower()):
            parts = [word] if len(word) <= 8 else [word[:8], word[8:]]
            ids += [zlib.crc32(part.encode()) % START for part in parts]
        return {"input_ids": [START, *ids, END] if add_special_tokens else ids}


class SDTokenizer:
    """One encoder's."""

    def __init__(self, pad: int, width: int) -> None:
        self.tokenizer, self.pad, self.max_length = ToyTokenizer(), pad, LENGTH
        self.embedding_size, self.embedding_directory = width, None
        self.inv_vocab = {number: f"t{number}</w>" for number in range(VOCABULARY)}

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False) -> list[list[Any]]:
        """Chunks of (token, weight) or (token, weight, group); group 0 is marks and padding."""
        chunks: list[list[Any]] = [[]]
        spans = token_weights(escape_important(text), 1.0)
        for number, (span, weight) in enumerate(spans, start=1):
            ids = self.tokenizer(unescape_important(span), add_special_tokens=False)["input_ids"]
            short = len(ids) < 8
            for n, token in enumerate(ids):
                full = len(chunks[-1]) == LENGTH - 2
                if full or (short and n == 0 and len(chunks[-1]) + len(ids) > LENGTH - 2):
                    chunks.append([])
                chunks[-1].append((token, weight, number))
        marked = []
        for chunk in chunks:
            whole = [(START, 1.0, 0), *chunk, (END, 1.0, 0)]
            marked.append(whole + [(self.pad, 1.0, 0)] * (LENGTH - len(whole)))
        return marked if return_word_ids else [[place[:2] for place in chunk] for chunk in marked]


def escape_important(text: str) -> str:
    """Brackets after a backslash mean themselves."""
    return text.replace("\\)", "\0\1").replace("\\(", "\0\2")


def unescape_important(text: str) -> str:
    """Undo."""
    return text.replace("\0\1", ")").replace("\0\2", "(")


def token_weights(text: str, weight: float) -> list[tuple[str, float]]:
    """`(x)` is 1.1 times as strong, `(x:1.3)` exactly 1.3; brackets nest."""
    found = []
    for part in _split(text):
        if not (len(part) > 1 and part[0] == "(" and part[-1] == ")"):
            found.append((part, weight))
            continue
        body, inner = part[1:-1], weight * 1.1
        told = re.fullmatch(r"(.+):\s*([-+.\d]+)\s*", body, re.DOTALL)
        if told:
            body, inner = told[1], float(told[2])
        found += token_weights(body, inner)
    return found


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        if letter == "(" and depth == 0:
            parts.append("")
        parts[-1] += letter
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == ")" and depth == 0:
            parts.append("")
    return [part for part in parts if part]
