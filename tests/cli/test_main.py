"""What `ti` promises before any verb runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ti_core.cli.main import VERBS, main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    main(["--help"])
    text = capsys.readouterr().out
    for verb in VERBS:
        assert f"ti {verb}" in text


def test_unknown_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    from ti_core import __version__

    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "demo"])
def test_help_of_a_command_loads_neither_torch_nor_diffusers(verb: str) -> None:
    code = (
        "import sys\nfrom ti_core.cli.main import main\n"
        f"try: main(['{verb}', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_help_needs_no_docstrings() -> None:
    code = "from ti_core.cli.main import main; main(['train', '--help'])"
    plain, stripped = (
        subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True).stdout
        for flags in ([], ["-OO"])
    )
    assert stripped == plain
    assert "\nLearning:\n" in plain


def test_every_command_has_a_module_with_run() -> None:
    import importlib

    for verb in VERBS:
        assert callable(importlib.import_module(f"ti_core.cli.{verb.replace('-', '_')}").run)


def test_a_list_of_embeddings_in_safetensors_does_not_load_torch(tmp_path: Path) -> None:
    """Their headers tell all that it shows; other formats are read as a whole."""
    header = {"emb_params": {"dtype": "F32", "shape": [1, 768], "data_offsets": [0, 3072]}}
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(3072)
    (tmp_path / "cat.safetensors").write_bytes(content)
    code = (
        "import sys\nfrom ti_core.cli.main import main\n"
        f"assert main(['list', {str(tmp_path)!r}]) == 0\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert "cat" in done.stdout
