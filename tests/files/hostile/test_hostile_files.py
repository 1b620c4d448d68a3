"""No file, however hostile or broken, runs code, hangs, or takes more memory than it may."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import TIError

from . import attacks, bombs, containers, damage, hypernetworks, models, own, places, texts
from .assembler import legacy, table, torch_zip
from .case import CANARY, Case
from .readers import READERS

ROOT = Path(__file__).parents[3]
EMBEDDINGS, OTHERS = (
    (attacks, bombs, damage, containers, places),
    (models, own, texts, hypernetworks),
)
CASES = [case for kind in (*EMBEDDINGS, *OTHERS) for case in kind.cases()]
ALWAYS = {case.name for kind in (attacks, bombs, places) for case in kind.cases()}
"""The others are variations: an eighth of them is a sample, all are `-m slow`."""
MODULE = f"open({CANARY!r}, 'w').close()\n"
SLOWEST, MOST_MEMORY = 20.0, 512 * 2**20
HONEST = {
    "honest.pt": torch_zip(table()),
    "old.pt": legacy(table()),
    "honest.safetensors": containers.SOUND["a canary for a name"],
    "honest.png": containers.card({"string_to_param": {"*": {"TORCHTENSOR": [[1.0]]}}}),
}
"""Read before the watch begins."""


@dataclass
class Outcome:
    """What one process has said to all of them."""

    cases: list[Case]
    read: dict[str, dict[str, Any]]
    library: dict[str, str]
    events: list[str]
    peak: int
    folder: Path
    work: Path


def _sampled() -> Iterator[Any]:
    for case in CASES:
        usual = case.name in ALWAYS or zlib.crc32(case.name.encode()) % 8 == 0
        yield case if usual else pytest.param(case, marks=pytest.mark.slow)


def _chosen(session: pytest.Session) -> list[Case]:
    """Those whose tests run, in the corpus' order."""
    specs = [getattr(item, "callspec", None) for item in session.items]
    given = [spec.params.get("case") for spec in specs if spec]
    names = {case.name for case in given if isinstance(case, Case)}
    return [case for case in CASES if case.name in names]


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    cases = _chosen(request.session)
    base = tmp_path_factory.mktemp("hostile")
    folder, honest, work = base / "corpus", base / "honest", base / "work"
    for each in (folder, honest, work):
        each.mkdir()
    for case in cases:
        (folder / case.reader).mkdir(exist_ok=True)
        case.make(folder / case.reader / case.name)
    for name, content in HONEST.items():
        (honest / name).write_bytes(content)
    for reader, make in own.SOUND.items():
        make(honest / f"{reader}.{_ENDINGS.get(reader, 'x')}")
    (work / "hostile_module.py").write_text(MODULE)
    *lines, figures = _watched(cases, folder, honest, work)
    read = {line["name"]: line for line in lines}
    return Outcome(cases, read, **figures, folder=folder, work=work)


_ENDINGS = {"dataset": "toml", "prompts": "txt", "caption": "txt", "template": "txt"}


def _reader_of(honest: Path) -> str:
    """By its name."""
    return honest.stem if honest.stem in READERS else "embeddings"


def _watched(cases: list[Case], folder: Path, honest: Path, work: Path) -> list[dict[str, Any]]:
    order = {
        "honest": [(_reader_of(path), str(path)) for path in sorted(honest.glob("*.*"))],
        "cases": [(case.reader, str(folder / case.reader / case.name)) for case in cases],
        "folder": str(folder / "embeddings"),
    }
    paths = os.pathsep.join((str(ROOT), str(work)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.files.hostile.watched"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        cwd=work,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_corpus_is_large_and_no_file_is_there_twice(outcome: Outcome) -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 1500
    files = [outcome.folder / case.reader / case.name for case in outcome.cases]
    own = [path for path in files if path.is_file() and not path.is_symlink()]
    small = [path for path in own if path.stat().st_size < 2**30]
    contents = {hashlib.sha256(path.read_bytes()).digest() for path in small}
    assert len(contents) >= len(small) * 0.9
    assert {case.reader for case in outcome.cases} == set(READERS)


@pytest.mark.parametrize("case", list(_sampled()), ids=lambda case: repr(case.name))
def test_each_file_gets_its_error_or_is_the_embedding_it_is(case: Case, outcome: Outcome) -> None:
    found = outcome.read[Path(case.name).name]
    assert found["ours"], found["text"]
    if case.error is not TIError:
        assert found["error"] == (case.error.__name__ if case.error else None), found["text"]
    assert case.says in found["text"]


def test_errors_are_for_people(outcome: Outcome) -> None:
    for name, found in outcome.read.items():
        if found["error"] is None:
            continue
        assert len(found["text"]) < 1000, name
        assert not re.search(r"\b(Key|Value|Type|Index|Attribute|EOF)Error\b", found["text"]), name


def test_no_code_runs(outcome: Outcome) -> None:
    assert [path.name for path in outcome.work.iterdir()] == ["hostile_module.py"]
    assert outcome.events == []
    assert not list(outcome.folder.parent.rglob(CANARY))


@pytest.mark.parametrize("full", attacks.PROVEN)
def test_the_same_attack_would_run_in_pythons_own_reader(full: str, tmp_path: Path) -> None:
    if full.startswith("subprocess.") and os.name != "posix":
        pytest.skip("its arguments are those of POSIX")
    (tmp_path / "hostile_module.py").write_text(MODULE)
    (tmp_path / "attack.pkl").write_bytes(attacks.plain_pickle(full))
    trap = "import pickle, sys; sys.path.insert(0, '.'); pickle.load(open('attack.pkl', 'rb'))"
    subprocess.run([sys.executable, "-I", "-c", trap], cwd=tmp_path, capture_output=True)
    assert (tmp_path / CANARY).exists()


def test_nothing_takes_long(outcome: Outcome) -> None:
    slow = {name: found["seconds"] for name, found in outcome.read.items()}
    assert max(slow.values()) < SLOWEST, sorted(slow.items(), key=lambda item: -item[1])[:5]


@pytest.mark.skipif(sys.platform != "linux", reason="the figure is Linux's")
def test_all_of_them_together_stay_below_512_mb(outcome: Outcome) -> None:
    assert 0 <= outcome.peak < MOST_MEMORY


def test_a_library_of_them_lists_each_with_its_reason(outcome: Outcome) -> None:
    wanted = {case.name for case in outcome.cases if case.listed and case.reader == "embeddings"}
    assert wanted - outcome.library.keys() == set()
    for name, reason in outcome.library.items():
        assert reason == "" or re.match(r"(Embedding|UnsafeFile|File)Error: .", reason), name
