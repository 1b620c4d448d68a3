"""What a reader of strangers' files has promised, and how it is watched."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch

from ti_core.files.embedding import Embedding

_EVENTS = (
    "os.system os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile subprocess.Popen "
    "pty.spawn exec compile pickle.find_class marshal.loads marshal.load import socket.connect "
    "socket.bind socket.getaddrinfo urllib.Request webbrowser.open ctypes.dlopen os.remove "
    "os.rename os.mkdir os.rmdir os.chmod os.link os.symlink os.truncate shutil.rmtree "
    "shutil.copyfile code.__new__ function.__new__ cpython.run_command"
).split()
_LOADING = ("import", "exec", "compile", "marshal.loads")
_CHANGES = ("os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def forbidden_events() -> list[str]:
    """A list that grows when this process, from now on, does what reading a file never needs:
    runs or imports code, unpickles, starts a program, writes, or reaches for the network. Python
    itself reports these (PEP 578), whoever asked."""
    seen: list[str] = []
    watched = frozenset(_EVENTS)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and bool((arguments[2] or 0) & _WRITING)
        if event in _LOADING and not _in_a_file_format() and _is_loading(event):
            return
        if (event in watched or writes) and _reads_a_file(changes=writes or event in _CHANGES):
            seen.append(f"{event} {arguments!r:.200}")

    sys.addaudithook(hook)
    return seen


def _in_a_file_format() -> bool:
    """Whether code is at work that reads files and needs no libraries for it."""
    return any(name.startswith("ti_core.files.") for name in _modules_at_work())


def _is_loading(event: str) -> bool:
    """Whether a library loads another part of itself, as they do when it is used first."""
    return event == "import" or "importlib._bootstrap" in _modules_at_work()


def _modules_at_work() -> list[str]:
    names, frame = [], sys._getframe(3)
    while frame is not None:
        names.append(str(frame.f_globals.get("__name__")))
        frame = frame.f_back  # type: ignore[assignment]
    return names


def _reads_a_file(changes: bool) -> bool:
    """Whether the reader is at work, and not the test around it, or (if something on the disk
    `changes`) the copy of a vocabulary that is made for transformers."""
    frame = sys._getframe(2)
    while frame is not None:
        if changes and frame.f_globals.get("__name__") == "ti_core.hosts.standalone.vocabulary":
            return False
        if frame.f_code.co_name in ("read_embeddings", "peek", "_read"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Peak:
    """The most memory that this process has had, in bytes, above what it had at the start.

    Linux's VmHWM: the figure of `getrusage` begins with that of the process which started this.
    """

    def __init__(self) -> None:
        self._start = self._bytes()

    def above_start(self) -> int:
        """0 where the system does not tell."""
        return self._bytes() - self._start

    @staticmethod
    def _bytes() -> int:
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("VmHWM")), 0)


def described(embeddings: list[Embedding]) -> str:
    """ "emb_params 2×8" for every embedding. Fails unless all are what they should be."""
    parts = []
    for each in embeddings:
        assert each.vectors, "an embedding without vectors"
        for key, rows in each.vectors.items():
            assert rows.dtype == torch.float32
            assert rows.dim() == 2
            assert torch.isfinite(rows).all()
            parts.append(f"{key} {len(rows)}×{rows.shape[1]}")
        assert isinstance(each.name, str)
        assert isinstance(each.step, int)
        assert all(isinstance(text, str) for pair in each.metadata.items() for text in pair)
    return ", ".join(parts)
