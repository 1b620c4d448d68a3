"""The errors that this project raises on purpose; adapters show their text to the user.

    TIError
    ├── ConfigError          a setting is unknown, out of range, or fights another one
    │   ├── ScheduleError    a learning-rate schedule cannot be read or ends too early
    │   └── ExpressionError  a merge expression cannot be read
    ├── DataError            images, captions or templates cannot be trained on
    │   └── CaptionError     a caption file is not text, or cannot be read
    ├── FileError            a file is not what it should be
    │   ├── UnsafeFileError  a file asks for something that only an attacker wants
    │   ├── CheckpointError  a model file is damaged, incomplete or of an unknown kind
    │   ├── EmbeddingError   an embedding file does not fit, or contains no embedding
    │   └── HypernetworkError  a hypernetwork's file does not fit, or contains none
    ├── StorageError         a folder cannot be written, or the disk is full
    ├── HostError            the host cannot do what was asked of it
    │   ├── HostBusyError    the model, or the place for jobs, is in use; it may work later
    │   ├── NoModelError     no model is loaded, or it was changed or unloaded meanwhile
    │   ├── UnsupportedModelError  the model cannot be trained here, or not in this precision
    │   └── HostMemoryError  the model ran out of memory
    ├── NotFoundError        what a request names is not there
    ├── ForbiddenError       this surface may not open that file or folder, or answer that page
    ├── RequestError         the body of a request cannot be read
    │   ├── LargeRequestError  it is larger than any that is meant
    │   ├── SlowRequestError   it does not arrive
    │   └── MediaTypeError     it says that it is not JSON
    └── TrainingError        the run cannot continue
        ├── NoGradientError  the image does not depend on the vectors: nothing can be learned
        ├── NotMovingError   they have a gradient, and stay where they are
        └── NotFiniteError   the loss stayed NaN or infinite after every attempt to recover

Everything else (TypeError, AssertionError…) is a defect of ours and is shown with its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar, final

E = TypeVar("E", bound="TIError")


def setting(name: str) -> str:
    """A setting, in the text of an error, notice or finding. Each surface writes its own name for
    it (`options.with_names`): a command line `--name`, a form its label."""
    return f"`{name}`"


class TIError(Exception):
    """Base of all errors meant for users: what happened, why, and what to do about it.

    `excerpt` is quoted below that, line by line. Every class is made in the same way, so that
    copies, pickles and rewordings of each hold everything that its text needs.
    """

    @final
    def __init__(self, what: str, why: str = "", fix: str = "", excerpt: str = "") -> None:
        self.what, self.why, self.fix, self.excerpt = what, why, fix, excerpt
        super().__init__(what, why, fix, excerpt)

    @final
    def __str__(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        text = f"{text}; {self.fix}" if self.fix else text
        return f"{text}\n{self.excerpt}" if self.excerpt else text

    @final
    def reworded(self: E, word: Callable[[str], str]) -> E:
        """The same error in the words of a surface; what is quoted stays as it is."""
        return type(self)(word(self.what), word(self.why), word(self.fix), self.excerpt)


class ConfigError(TIError):
    """A setting is unknown, out of range, or contradicts another one."""


class ScheduleError(ConfigError):
    """A learning-rate schedule cannot be read, or ends before the training does."""


class ExpressionError(ConfigError):
    """A merge expression cannot be read; the excerpt points at the place with a caret."""


class DataError(TIError):
    """Images, captions or templates that cannot be trained on."""


class CaptionError(DataError):
    """A caption file is not text, or cannot be read."""


class FileError(TIError):
    """A file is not what it should be."""


class UnsafeFileError(FileError):
    """A file asks to run code, or lies about its sizes."""


class CheckpointError(FileError):
    """A model file is damaged, incomplete, or of a kind that is not supported."""


class EmbeddingError(FileError):
    """An embedding file holds no usable embedding, or one for another kind of model."""


class HypernetworkError(FileError):
    """A file holds no usable hypernetwork, or one for another kind of model."""


class StorageError(TIError):
    """A folder cannot be written to, or the disk is full."""


class HostError(TIError):
    """The host cannot do what was asked of it."""


class HostBusyError(HostError):
    """The model, or the only place for a job, is in use. The same request may succeed later."""


class NoModelError(HostError):
    """No model is loaded, or the one that was in use has been changed or unloaded."""


class UnsupportedModelError(HostError):
    """The model is of a kind that cannot be trained here, or not in this precision."""


class HostMemoryError(HostError):
    """The model ran out of memory."""


class NotFoundError(TIError):
    """What a request names is not there."""


class ForbiddenError(TIError):
    """A file or folder that this surface may not open, or a request from a page of another site."""


class RequestError(TIError):
    """The body of a request is not the JSON that is meant."""


class LargeRequestError(RequestError):
    """The body of a request is larger than any that is meant."""


class SlowRequestError(RequestError):
    """The body of a request does not arrive in time."""


class MediaTypeError(RequestError):
    """The body of a request says that it is something else than JSON."""


class TrainingError(TIError):
    """The run cannot continue."""


class NoGradientError(TrainingError):
    """The first backward pass left a trained tensor without a finite, non-zero gradient."""


class NotMovingError(TrainingError):
    """Trained tensors are bit for bit what they were many updates ago."""


class NotFiniteError(TrainingError):
    """The loss or a gradient stayed NaN or infinite after every attempt to recover."""


class Codes(NamedTuple):
    """What programs get of an error."""

    exit: int
    """Exit code of a command line."""
    http: int
    """Status of an answer (RFC 9110)."""


CODES: Mapping[type[TIError], Codes] = {
    TIError: Codes(1, 422),
    ConfigError: Codes(2, 422),
    StorageError: Codes(1, 507),
    HostError: Codes(1, 409),
    NoModelError: Codes(1, 503),
    UnsupportedModelError: Codes(1, 422),
    NotFoundError: Codes(1, 404),
    ForbiddenError: Codes(1, 403),
    LargeRequestError: Codes(1, 413),
    SlowRequestError: Codes(1, 408),
    MediaTypeError: Codes(1, 415),
}
"""Class → its codes, and those of all classes below it that are not listed."""


def codes_of(kind: type[TIError]) -> Codes:
    """The codes of the nearest class in `CODES`."""
    return next(CODES[each] for each in kind.__mro__ if each in CODES)
