"""Kill -9 in the middle: what is in the destination is whole, and every picture has its words.

`python -m tests.data.preprocess.test_kill 50` kills fifty times and tells what it saw.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.preprocess.folders import loaded
from ti_core.data.picture_formats import ENDINGS
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.data.preprocess.events import Skipped
from ti_core.data.preprocess.job import preprocess
from ti_core.data.preprocess.places import sweep
from ti_core.data.preprocess.writer import DEBUG_FOLDER
from ti_core.events import Event, Notice

PICTURES = 6
_CODE = """
import sys
from pathlib import Path
from ti_core.data.preprocess.config import *
from ti_core.data.preprocess.job import preprocess
config = PreprocessConfig(width=256, height=256, flip=True,
    captions=CaptionConfig(existing_caption="copy"), split_images=SplitConfig(split=True))
while True:
    preprocess(Path(sys.argv[1]), Path(sys.argv[2]), config, lambda event: print(flush=True))
"""


def fill(folder: Path) -> Path:
    """Pictures of noise (long to write) with captions."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        values = rng.integers(0, 256, (300, 700, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"noise number {number}", encoding="utf-8")
    return folder


def kill_once(source: Path, destination: Path, events: int, seconds: float) -> dict[str, int]:
    """Do the work over and over, kill it so long after so many events, and look at what is left:
    numbers of pictures and of temporary files. Raises when a picture is damaged or has no words."""
    command = [sys.executable, "-c", _CODE, str(source), str(destination)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(events):
            assert process.stdout.readline() == b"\n"
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return inspect(destination)


def inspect(destination: Path) -> dict[str, int]:
    """Count, and raise for anything that is not whole."""
    found = {"pictures": 0, "temporary": 0}
    for path in destination.iterdir() if destination.exists() else ():
        if path.suffix in ENDINGS:
            assert loaded(path).size == (256, 256)
            number = path.stem.rpartition("-")[2]
            assert path.with_suffix(".txt").read_text("utf-8") == f"noise number {number}"
            found["pictures"] += 1
        elif path.suffix != ".txt":
            assert path.name.startswith("."), path.name
            found["temporary"] += 1
    return found


def test_a_kill_at_any_moment_leaves_only_whole_pictures_with_their_words(tmp_path: Path) -> None:
    source = fill(tmp_path / "in")
    assert kill_once(source, tmp_path / "first", 2, 0.03)["pictures"] <= 6
    assert kill_once(source, tmp_path / "later", 4, 0.01)["pictures"] >= 2 * 6


def test_the_next_run_makes_good_what_was_missing(tmp_path: Path) -> None:
    source, destination = fill(tmp_path / "in"), tmp_path / "out"
    kill_once(source, destination, 3, 0.02)
    preprocess(source, destination, PreprocessConfig(width=256, height=256))
    assert len(list(destination.glob("*-0-*.png"))) == PICTURES


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def left_behind(folder: Path, hours: float = 1.0) -> list[Path]:
    """What kills leave: a picture, a caption and a debug picture, none of them whole."""
    (folder / DEBUG_FOLDER).mkdir(parents=True, exist_ok=True)
    names = (
        ".00000-0-a very long name of which only t.ab_12345",
        ".00000-0-0.txt.zzzzzzzz",
        f"{DEBUG_FOLDER}/.00003-1-3.png.12345678",
    )
    then = time.time() - 3600 * hours
    for name in names:
        (folder / name).write_bytes(b"\x89PNG half")
        os.utime(folder / name, (then, then))
    return [folder / name for name in names]


def test_the_next_run_sweeps_up_what_was_half_written(tmp_path: Path) -> None:
    source, destination = fill(tmp_path / "in"), tmp_path / "out"
    left_behind(destination)
    told: list[Event] = []
    preprocess(source, destination, PreprocessConfig(width=256, height=256), told.append)
    assert leftovers(destination) == []
    notices = [event for event in told if isinstance(event, Notice)]
    assert notices[0].what == "3 half-written files of a run that was killed are removed"


def test_what_another_run_may_be_writing_stays(tmp_path: Path) -> None:
    left = left_behind(tmp_path, hours=0.001)
    assert sweep(tmp_path) == 0
    assert all(path.exists() for path in left)


def test_hidden_files_of_the_user_s_stay(tmp_path: Path) -> None:
    names = (".git", ".DS_Store", ".a.png", ".notes.abcdefgh", "00000-0-a.png", ".00000-0-a.png")
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert sweep(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_where_the_source_is_the_folder_of_a_killed_run_its_leftovers_are_no_pictures(
    tmp_path: Path,
) -> None:
    source = fill(tmp_path / "in")
    whole = (source / "0.png").read_bytes()
    (source / ".00000-0-0.png.abcdefgh").write_bytes(whole)  # complete, but for its name
    told: list[Event] = []
    finished = preprocess(source, tmp_path / "out", on_event=told.append)
    assert finished.pictures == PICTURES
    (skipped,) = (event for event in told if isinstance(event, Skipped))
    assert skipped.reason == "a run that was killed left it half-written"
    assert (source / ".00000-0-0.png.abcdefgh").exists()


def _many(times: int) -> None:
    seed, partial, temporary = random.Random(4), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        source, whole = fill(Path(folder) / "in"), PICTURES * 3 * 2
        for time_ in range(times):
            destination = Path(folder) / f"out{time_}"
            seen = kill_once(source, destination, seed.randint(0, 3 + PICTURES), seed.random() / 3)
            partial += seen["pictures"] < whole
            temporary += seen["temporary"]
    sys.stdout.write(
        f"{times} kills, nothing half-written in use: {partial} before all images were there, "
        f"{temporary} in the middle of a file\n"
    )


if __name__ == "__main__":
    _many(int(sys.argv[1]))
