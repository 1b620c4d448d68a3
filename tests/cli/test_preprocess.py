"""`ti preprocess`: what the user types and reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ti_core.cli import preprocess as verb
from ti_core.cli.main import main
from ti_core.data.pictures import open_picture
from ti_core.data.preprocess import job


@pytest.fixture
def ti(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`ti preprocess …` in a folder with pictures in `in`: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name, size in (("a", (128, 64)), ("b", (64, 64))):
        Image.new("RGB", size, "red").save(tmp_path / "in" / f"{name}.png")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["preprocess", *arguments])
        return code, *capsys.readouterr()

    return run


SMALL = ("--width", "64", "--height", "64")


def test_two_folders_are_enough(ti: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, err = ti("in", "out", *SMALL)
    assert (code, err) == (0, "")
    assert out.startswith("2 image(s) made of 2, 0 skipped, in ")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["00000-0-a.png", "00001-0-b.png"]


def test_a1111s_names_for_the_settings_are_taken(
    ti: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    names = ("--process_width=64", "--process_height=64", "--process_flip", "--process-split")
    assert ti("in", "out", *names)[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 3 * 2 + 2


def test_what_is_skipped_and_why_is_told(
    ti: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "in" / "c\x1b[31m.png").write_bytes(b"no image")
    code, out, err = ti("in", "out", *SMALL)
    assert code == 0
    assert "1 skipped" in out
    assert err == "c\\x1b[31m.png is skipped: it is not an image of a kind that can be read here\n"


def test_every_event_can_be_had_as_json(ti: Callable[..., tuple[int, str, str]]) -> None:
    _, out, _ = ti("in", "out", *SMALL, "--flip", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == [
        *("Notice", "Started", "PictureDone", "PictureDone", "Finished"),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "two folders"),
        (("in",), "two folders"),
        (("in", "in"), "never written to"),
        (("in", "in/out"), "never written to"),
        (("in", "out", "--width", "100"), "multiples of 8"),
        (("in", "out", "--focal_corp"), "did you mean --focal_crop?"),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(
    ti: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = ti(*arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err


def test_a_folder_without_pictures_is_a_failure(
    ti: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert ti("empty", "out")[0] == 1
    code, _, err = ti("nothing", "out")
    assert (code, "cannot read the folder" in err) == (1, True)


def test_ctrl_c_stops_before_the_next_picture(
    ti: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    def interrupting(path: Path, exact: bool) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return open_picture(path, exact=exact)

    monkeypatch.setattr(job, "open_picture", interrupting)
    code, out, _ = ti("in", "out", *SMALL)
    assert code == 130
    assert out.startswith("stopped: 1 image(s) made of 1")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00000-0-a.png"]


def test_neither_help_nor_the_work_loads_torch(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "in" / "a.png")
    code = (
        "import sys\nfrom ti_core.cli.main import main\n"
        "try: main(['preprocess', '--help'])\nexcept SystemExit: pass\n"
        "assert 'numpy' not in sys.modules\n"
        "assert main(['preprocess', *sys.argv[1:]]) == 0\n"
        "assert not {'torch', 'transformers', 'cv2'} & set(sys.modules)"
    )
    folders = (str(tmp_path / "in"), str(tmp_path / "out"))
    subprocess.run([sys.executable, "-c", code, *folders], check=True, timeout=60)


def test_on_a_terminal_lines_go_around_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ti_core.data.preprocess.events import Finished, Skipped, Started

    shown: list[object] = []

    class Bar:
        n, disable = 0, False

        def write(self, text: str, file: object) -> None:
            shown.append(text)

        def update(self, steps: int) -> None:
            self.n += steps
            shown.append(self.n)

        def close(self) -> None:
            shown.append("closed")

    monkeypatch.setattr(
        verb.PreprocessBar, "open_bar", lambda self, *_: setattr(self, "bar", Bar())
    )
    with verb.PreprocessBar() as report:
        report(Started(Path("in"), Path("out"), 9))
        report(Skipped(3, Path("in/a.png"), "broken"))
        report(Finished("done", 0, 0, 1, 2.0))
    assert shown == ["a.png is skipped: broken", 1, "closed", "closed"]
    assert capsys.readouterr().out == "0 image(s) made of 0, 1 skipped, in 2.0 s\n"
