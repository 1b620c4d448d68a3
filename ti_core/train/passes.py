"""A pass of an update: its loss, and the gradients that it adds to what is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..port.session import Conditioning, Session
from ..port.transfer import sent
from .batches import Batch, encoded_prompts, prediction_loss
from .learnable import ExtraNetworks
from .plan import Plan
from .remembered_prompts import RememberedPrompts


@dataclass(frozen=True)
class Pass:
    """One batch before the model, whole or in parts."""

    batch: Batch
    session: Session
    added: ExtraNetworks
    plan: Plan
    prompts: RememberedPrompts

    def backward(
        self, passes: int, scale: float, at_once: int = 0, rows: Tensor | None = None
    ) -> tuple[list[Tensor], bool]:
        """Add the gradients of a `passes`-th of the batch's loss, times `scale`, to the leaves.

        At most `at_once` images pass the network together; 0 is all. With `rows`, the places of
        some images, it is what these add to the loss of the batch. Returns the parts of the loss,
        () each, unscaled and on the device, and whether anything depends on what is trained.
        """
        count = len(self.batch.prompts)
        rows = torch.arange(count) if rows is None else rows
        if not len(rows):
            return [], False
        encoded = encoded_prompts(self.batch, self.session, self.added, self.plan, self.prompts)
        if len(rows) == count and not 0 < at_once < count:
            loss = prediction_loss(self.batch, encoded, self.session, self.added) / passes
            if loss.requires_grad:
                (loss * scale).backward()
            return [loss.detach()], loss.requires_grad
        return self._in_parts(encoded, passes, scale, rows.split(at_once or count))

    def _in_parts(
        self, encoded: Conditioning, passes: int, scale: float, parts: Sequence[Tensor]
    ) -> tuple[list[Tensor], bool]:
        """All prompts pass the text encoder at once, as in the whole: they are padded alike."""
        held, losses, learns = _held(encoded), list[Tensor](), False
        count = len(self.batch.prompts)
        for rows in parts:
            part, given = self.batch.rows(rows), held.rows(sent(rows, held.context.device))
            loss = prediction_loss(part, given, self.session, self.added)
            loss = loss * (len(rows) / count) / passes
            if loss.requires_grad:
                (loss * scale).backward()
            losses, learns = [*losses, loss.detach()], learns or loss.requires_grad
        _pass_on(encoded, held)
        return losses, learns


def _held(encoded: Conditioning) -> Conditioning:
    """The same numbers as leaves, in which the gradients of the parts are added up."""
    return encoded.mapped(lambda part: part.detach().requires_grad_(part.requires_grad))


def _pass_on(encoded: Conditioning, held: Conditioning) -> None:
    """From the leaves to what the prompts were encoded with."""
    pairs = [(encoded.context, held.context), (encoded.pooled, held.pooled)]
    ends = [
        (whole, leaf.grad)
        for whole, leaf in pairs
        if whole is not None and leaf is not None and leaf.grad is not None
    ]
    if ends:
        wholes: tuple[Tensor, ...]
        gradients: tuple[Tensor, ...]
        wholes, gradients = zip(*ends, strict=True)
        torch.autograd.backward(wholes, gradients)
