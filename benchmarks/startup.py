"""How soon programs are there: commands, the nodes' import and the panel, beside `import torch`.

    python benchmarks/startup.py

Each figure is the least of several processes, in seconds of the processor, which a busy machine
disturbs less than the clock. "Beside torch" divides it by `import torch` alone, measured in the
same run: that is what to compare between machines. Nodes and panel are measured in a process that
has loaded torch (and gradio) already, as the programs around them have, and whose garbage has been
collected: a pass over torch's objects takes 0.2 s, wherever it happens to begin. The nodes are
loaded over the stand-in of the tests for ComfyUI. "Its components, empty" are as many components
as the panel has, of the same kinds, made by gradio without anything of ours. Byte code is cached,
as after any first start.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_TI = ("-m", "ti_core")
_TIMED = (
    "import gc, time; gc.collect(); began = time.process_time(); {}; "
    "print(time.process_time() - began)"
)
_NODES = (
    "import torch, numpy, PIL.Image; from tests.comfy.nodes import program; program.start(); "
    "from tests.comfy.pack import pack_module; "
) + _TIMED.format("pack_module('comfy_nodes.extension')")
_PANEL_PARTS = (
    "import gradio, torch; from ti_core.hosts.fake import FakeHost; host = FakeHost(); "
    "from ti_webui.panel import build_panel; from ti_webui.studio import Studio; "
    "studio = Studio(host=lambda: host, embeddings_dirs=lambda: [host.folder]); "
)
_PANEL = _PANEL_PARTS + _TIMED.format("build_panel(studio)")
_PANEL_FLOOR = (
    _PANEL_PARTS
    + "page = build_panel(studio); kinds = [type(each) for each in page.blocks.values()]; "
    + "empty = gradio.Blocks(); empty.__enter__(); "
    + _TIMED.format("made = [kind() for kind in kinds]; empty.__exit__()")
)
REFERENCE = "import torch"


def parts(embedding: Path) -> dict[str, tuple[str, ...]]:
    """What is started → arguments of Python. A code that prints a number times itself."""
    return {
        REFERENCE: ("-c", "import torch"),
        "ti --help": (*_TI, "--help"),
        "ti train --help": (*_TI, "train", "--help"),
        "ti list, one file": (*_TI, "list", str(embedding.parent)),
        "ti inspect, one file": (*_TI, "inspect", str(embedding)),
        "import of the ComfyUI nodes": ("-c", _NODES),
        "build of the panel": ("-c", _PANEL),
        "its components, empty": ("-c", _PANEL_FLOOR),
    }


def seconds(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Of the processor. Raises RuntimeError with what the process said when it fails."""
    before = _children()
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=_ROOT, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it failed"])[-1])
    timed_itself = "process_time" in arguments[-1]
    return float(done.stdout.split()[-1]) if timed_itself else _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows(processes: int) -> Iterator[str]:
    """A table in Markdown, line by line; what cannot be started says why."""
    yield "| start | seconds | beside torch |"
    yield "|---|---|---|"
    with tempfile.TemporaryDirectory() as made:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": f"{made}/code"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        best: dict[str, float] = {}
        for name, arguments in parts(_embedding(Path(made))).items():
            try:
                seconds(arguments, environment)  # compiles
                best[name] = min(seconds(arguments, environment) for _ in range(processes))
            except RuntimeError as error:
                yield f"| {name} | skipped: {error} | |"
                continue
            yield f"| {name} | {best[name]:.2f} | {best[name] / best[REFERENCE]:.2f} × |"


def _embedding(folder: Path) -> Path:
    import torch

    sys.path.insert(0, str(_ROOT))
    from ti_core.files.safetensors_file import write_safetensors

    path = folder / "embeddings" / "x.safetensors"
    path.parent.mkdir()
    write_safetensors(path, {"emb_params": torch.ones(4, 768)}, {"ti.step": "100"})
    return path


def main() -> None:
    """Measure and print a table."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--processes", type=int, default=5, help="for each; the least counts")
    given = options.parse_args()
    for row in rows(given.processes):
        print(row, flush=True)


if __name__ == "__main__":
    main()
