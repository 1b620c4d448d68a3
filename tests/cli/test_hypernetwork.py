"""`ti hypernetwork`: create, train, resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ti_core.cli.main import main
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.reading import read_hypernetwork

Ti = Callable[..., tuple[int, str, str]]
QUICK = ("--max_train_steps", 4, "--sample_every_n_steps", 0, "--skip_checkup")


@pytest.fixture
def typed(pictures: Path) -> tuple[object, ...]:
    """What every training is given."""
    return ("hypernetwork", "train", "--name", "warm", "--train_data_dir", pictures, *QUICK)


def test_without_a_verb_it_tells_what_there_is(ti: Ti) -> None:
    for asked in ((), ("--help",)):
        code, out, _ = ti("hypernetwork", *asked)
        assert code == 0
        assert "ti hypernetwork create" in out
        assert "ti hypernetwork train" in out
    code, _, err = ti("hypernetwork", "trian")
    assert code == 2
    assert "train" in err


@pytest.mark.parametrize("verb", ["create", "train"])
def test_help_names_a1111s_settings(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["hypernetwork", verb, "--help"])
    out = capsys.readouterr().out
    for name in ("--hypernetwork_name", "--name", "--layer_structure", "--activation_func"):
        assert name in out
    assert ("--learning_rate" in out) == (verb == "train")


def test_a_new_one_needs_no_model_where_its_widths_are_named(ti: Ti) -> None:
    code, out, err = ti(
        *("hypernetwork", "create", "--name", "new", "--enable_sizes", "320, 768"),
        *("--weight_init", "KaimingNormal", "--layer_structure", "1, 1.5, 1"),
    )
    assert (code, out.strip()) == (0, str(Path("hypernetworks") / "new.pt")), err
    found = read_hypernetwork(Path(out.strip()))
    assert (found.widths, found.weight_init) == ((320, 768), "KaimingNormal")
    code, _, err = ti("hypernetwork", "create", "--name", "new", "--enable_sizes", "320")
    assert code == 2
    assert "exists already" in err


def test_a_training_goes_on_where_it_stopped(
    ti: Ti, fake_host: FakeHost, typed: tuple[object, ...]
) -> None:
    code, _, err = ti(*typed)
    assert code == 0, err
    assert "training 'warm' on fake" in err
    first = Path("hypernetworks/warm.pt")
    assert read_hypernetwork(first).step == 4
    assert fake_host.hypernetworks_saved == [first]
    more = ("--resume", "latest", "--max_train_steps", 6)
    code, _, err = ti("hypernetwork", "train", *more)
    assert code == 0, err
    assert read_hypernetwork(first).step == 6


def test_runs_of_both_kinds_are_told_apart(
    ti: Ti, pictures: Path, typed: tuple[object, ...]
) -> None:
    assert ti(*typed)[0] == 0
    code, _, err = ti("train", "--resume", "latest")
    assert code == 1
    assert "no run of any name" in err
    (run,) = Path("textual_inversion").glob("*/warm")
    code, _, err = ti("train", "--resume", run)
    assert code == 2
    assert "write ti hypernetwork train --resume" in err


def test_a_preset_gives_what_is_not_typed(ti: Ti, typed: tuple[object, ...]) -> None:
    assert ti(*typed, "--preset", "style")[0] == 0
    assert read_hypernetwork(Path("hypernetworks/warm.pt")).structure.activation == "swish"


def test_the_dataset_is_shown_with_the_name_as_plain_words(
    ti: Ti, typed: tuple[object, ...]
) -> None:
    code, out, err = ti(*typed, "--prompt_template", "style", "--debug_dataset")
    assert code == 0, err
    assert "warm" in out
    assert "<warm:0>" not in out
    assert "5 images in an epoch" in out
