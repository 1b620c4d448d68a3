"""How prompts call hypernetworks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ti_core.errors import ConfigError
from ti_core.hypernetworks.calls import Call, calls_in, hypernetworks_in


@pytest.mark.parametrize(
    ("prompt", "text", "calls"),
    [
        ("a cat", "a cat", ()),
        ("a <hypernet:warm:0.7> cat", "a  cat", (Call("warm", 0.7),)),
        ("<hypernet:warm>", "", (Call("warm", 1.0),)),
        (
            "<hypernet:b:-1><hypernet:a:2>, x <hypernet:b:0.5:more>",
            ", x ",
            (Call("b", -1.0), Call("a", 2.0), Call("b", 0.5)),
        ),
        ("<lora:x:1> <hypernet:>", "<lora:x:1> <hypernet:>", ()),
    ],
)
def test_prompts_are_read_as_in_a1111(prompt: str, text: str, calls: tuple[Call, ...]) -> None:
    assert calls_in(prompt) == (text, calls)


@pytest.mark.parametrize("text", ["", "strong", "nan", "1e999"])
def test_a_multiplier_is_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a number"):
        calls_in(f"<hypernet:warm:{text}>")


def test_names_are_those_of_files_and_the_last_of_them_is_meant(tmp_path: Path) -> None:
    for place in ("a/warm.pt", "b/warm.pt", "B.pt", "b.safetensors", "x.txt"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = hypernetworks_in([], [tmp_path])
    assert found["warm"] == tmp_path / "b/warm.pt"
    assert set(found) == {"warm", "B", "b"}
    other = Path(os.devnull).with_name("warm.pt")
    assert hypernetworks_in([other], [tmp_path])["warm"] == other
