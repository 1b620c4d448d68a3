"""What `ti` promises before any verb runs."""

from __future__ import annotations

import subprocess
import sys

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
