"""What a checkup is told: the dataset's settings, the word, the model and the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.config import DataConfig
from ..port.prompt import TOKENS_PER_CHUNK, Tokenize
from ..schedule import Schedule


@dataclass(frozen=True)
class CheckupInput:
    """Folders of images (those of `data`), and what should be learned from them."""

    data: DataConfig
    name: str = ""
    """The new word; empty if it is not decided yet."""
    vectors: int = 1
    """That stand for the word; 0 if prompts need not hold one."""
    size: tuple[int, int] = (512, 512)
    """Width and height to train at."""
    mirrored: bool = False
    """Mirrored copies of the images are to be made."""
    emphasis: bool = False
    """Brackets in prompts are to be read as the web UIs read them."""
    tokenize: Tokenize | None = None
    """Text → token ids of the model; without it nothing is said about tokens."""
    capacity: int = TOKENS_PER_CHUNK
    """Places for tokens in one chunk."""
    taken: tuple[str, ...] = ()
    """Names of the embeddings that are there already."""
    schedule: Schedule | None = None
    """Of the learning rate; None where no training is planned."""
    decay: str = ""
    """Of the learning rate beside that, such as cosine; "" is none."""
    early_stopping: bool = False
    """The run may end before its last step."""
    moves_by_rate: bool = True
    """An update moves each number of a vector by about the rate, as AdamW's do."""
    max_steps: int = 0
    batch: int = 1
    """Images of one update."""
    model_side: int = 0
    """Side that the model was made for; 0 is unknown."""
    family: str = ""
    """The model's, for people; "" is unknown."""
    writes: tuple[tuple[Path, int], ...] = ()
    """(folder, bytes that the run will write into it)"""
    memory: int = 0
    """Bytes of the device that the run will need; 0 is unknown."""
    memory_otherwise: int = 0
    """The same at full precision instead of half, or the other way round."""
    half: bool = False
    """It is to compute at half precision."""
    memory_formula: str = ""
    """How that was reckoned."""
    memory_ladder: tuple[tuple[str, int], ...] = ()
    """What a run does when memory runs out, and the bytes that it needs then."""
    memory_free: int | None = None
    """Bytes of the device that are free; None is unknown."""
    at_most: int = 0
    """Images to look at where there are more; 0 is all of them."""

    @property
    def last_step(self) -> int:
        """At which training ends; 0 where none is planned."""
        return min(self.max_steps, self.schedule.end) if self.schedule else self.max_steps
