"""What a run does when memory runs out: it goes one rung down, and makes the same step once more.

The first rung changes no bit of the result. A batch in parts has the same update but for rounding
(1e-6), since the gradients of the parts are added up with the weights that they have in the whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import setting
from ..port.session import Session


@dataclass(frozen=True)
class Savings:
    """How a run needs less memory than its settings say; kept in states."""

    checkpointing: bool = False
    pictures: int = 0
    """Of a batch at once; 0 is all of them."""
    text_encoder: bool = False
    """It computes on the CPU."""

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Savings:
        """From a state. Raises ValueError for what no run has saved."""
        found = dict(values)
        kinds = {item.name: type(item.default) for item in dataclasses.fields(cls)}
        if any(type(value) is not kinds.get(name) for name, value in found.items()):
            raise ValueError(f"its savings are {values!r:.200}")
        made = cls(**found)  # type: ignore[arg-type]
        if made.pictures < 0:
            raise ValueError(f"it computes {made.pictures} images at once")
        return made

    def values(self) -> dict[str, object]:
        """For a state; empty where nothing is saved."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v}


def save(session: Session, savings: Savings) -> None:
    """Need less memory in a session."""
    if savings.checkpointing:
        session.save_memory("checkpointing")
    if savings.text_encoder:
        session.save_memory("text_encoder")


class Rung(NamedTuple):
    """A way to need less memory, in words."""

    what: str
    price: str


class Ladder:
    """The rungs that are left to a run, in the order of what they cost."""

    def __init__(self, session: Session, batch: int, checkpointing: bool, saved: Savings) -> None:
        """`batch`: the most images of a pass that may be taken apart, 1 where none may;
        `checkpointing`: it is switched on by the settings; `saved`: what a resumed run has begun.
        """
        self._session, self._batch = session, batch
        self._checkpoints = checkpointing or saved.checkpointing
        self.savings = saved
        save(session, replace(saved, checkpointing=self._checkpoints))

    def down(self) -> Rung | None:
        """Go one rung down; None where none is left."""
        self._session.release("vae")
        if not self._checkpoints and self._session.save_memory("checkpointing"):
            self._checkpoints = True
            self.savings = replace(self.savings, checkpointing=True)
            name = setting("gradient_checkpointing")
            return Rung(f"{name} is on from here", "a step takes about a third more time")
        at_once = min(self.savings.pictures or self._batch, self._batch)
        if at_once > 1:
            return self._part((at_once + 1) // 2)
        if not self.savings.text_encoder and self._session.save_memory("text_encoder"):
            self.savings = replace(self.savings, text_encoder=True)
            return Rung("the text encoder computes on the CPU from here", "a step takes longer")
        return None

    def _part(self, pictures: int) -> Rung:
        self.savings = replace(self.savings, pictures=pictures)
        what = f"a batch is computed in parts of {pictures} from here"
        return Rung(what, "the update is the same but for rounding")
