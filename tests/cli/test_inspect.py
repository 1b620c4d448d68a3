"""`ti inspect` reads what other programs wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ti_core.cli.main import main

GOLDEN = Path(__file__).parents[1] / "golden"


def test_a1111_file_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(GOLDEN / "my-ref.pt")]) == 0
    out = capsys.readouterr().out
    assert "my-ref: 2 vector(s), emb_params 768 wide (SD 1.x), step 20" in out


def test_json_is_one_object_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(GOLDEN / "my-ref.pt")
    assert main(["inspect", "--json", path, path]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["step"] for f in found] == [20, 20]
    assert len(found[0]["norms"]["emb_params"]) == 2


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken", b"\x80\x02}q\x00."])
def test_no_embedding_is_one_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    assert main(["inspect", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
