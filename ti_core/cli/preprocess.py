"""`ti preprocess`: from photographs to images that can be trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.preprocess.events import Finished, PictureDone, Skipped, Started
from ..errors import ConfigError
from ..events import Event, Notice
from ..options import Checked, make_config, option
from .bar import Bar
from .interrupt import stop_on_signals
from .options import OptionParser, path_argument
from .plain import with_flags
from .telling import answer

_ABOUT = """Resize the photographs in SOURCE to training images, upright and cropped to their
centre, and save them in DESTINATION. SOURCE is not changed. Names, settings and defaults are those
of A1111's "Preprocess images"."""


@dataclass(frozen=True)
class PrintConfig(Checked):
    """How the outcome is printed."""

    title = "Output"
    json: bool = option(False, "print each event as a line of JSON", label="JSON")


def parser() -> OptionParser:
    """All options of `ti preprocess`."""
    from ..data.preprocess.config import PreprocessConfig

    usage = "SOURCE DESTINATION [options]"
    made = OptionParser("ti preprocess", _ABOUT, PreprocessConfig, PrintConfig, usage=usage)
    made.add_argument(
        "folders",
        nargs="*",
        type=path_argument,
        metavar="SOURCE DESTINATION",
        help="folder of the photographs, and folder for the training images",
    )
    return made


def run(argv: Sequence[str]) -> int:
    """Preprocess; returns the exit code: 1 when no image was made."""
    from ..data.preprocess.config import PreprocessConfig

    typed = parser().read(argv)
    folders = typed.pop("folders")
    if len(folders) != 2:
        raise ConfigError("two folders are needed", "", "write ti preprocess SOURCE DESTINATION")
    config = make_config(PreprocessConfig, typed)
    output = make_config(PrintConfig, typed)
    from ..data.preprocess.job import preprocess

    source, destination = (Path(name) for name in folders)
    with stop_on_signals() as stop, PreprocessBar() as report:
        listener = _print_json if output.json else report
        finished = preprocess(source, destination, config, listener, stop.requested)
    if finished.reason == "stopped":
        return 128 + (stop.signal or 0)
    return 0 if finished.pictures else 1


def _print_json(event: Event) -> None:
    answer(event.to_json())


class PreprocessBar(Bar):
    """A listener that tells the user what to know, with a bar on a terminal."""

    def __call__(self, event: Event) -> None:
        """Show an event; an image of which there is nothing to say only moves the bar."""
        if isinstance(event, Started):
            self.open_bar(event.total, "file")
        elif isinstance(event, Notice):
            self.say(with_flags(f"{event.level}: {event}"))
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, (Skipped, PictureDone)):
            if isinstance(event, Skipped) or event.notes:
                self.say(str(event))
            if self.bar is not None:
                self.bar.update(1)

    def _finish(self, event: Finished) -> None:
        self.close()
        word = "" if event.reason == "done" else "stopped: "
        answer(
            f"{word}{event.written} image(s) made of {event.pictures}, {event.skipped} skipped, "
            f"in {event.seconds:.1f} s"
        )
