"""The Compare tab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ti_core.errors import ConfigError, DataError, EmbeddingError
from ti_core.families import SDXL
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.train.loop import train
from ti_webui.job import Job
from ti_webui.studio import Studio
from ti_webui.tabs.compare import ComparePage, ratings

from ..conftest import Configure
from ..train.hypernetwork_runs import config

FIELDS = {
    "what": ["Sheets of images", "Best copy"],
    "prompts": "a [name]\n\n[name] in snow",
    "negative": "",
    "weights": "1",
    "seed": 3,
    "count": 1,
    "steps": 2,
    "scale": 7,
    "sampler": "",
    "width": 64,
    "height": 0,
    "judged_by": "",
    "baseline": False,
}


@pytest.fixture
def page(studio: Studio, host: FakeHost, configure: Configure) -> ComparePage:
    """A page that knows one run with the copies 10 and 20."""
    line = "a picture of [name] --w 64 --s 3"  # kohya's options are not words of the prompt
    known = {"max_train_steps": 20, "save_every_n_steps": 10, "learning_rate": "0.05"}
    train(configure(**known, sample_prompts=line), host)
    made = ComparePage(studio)
    made.runs()
    return made


def run_of(page: ComparePage) -> str:
    (label,) = (label for label in page.runs() if "hypernetwork" not in label)
    return label


def compared(page: ComparePage, **changes: Any) -> Job:
    names = ["zz-thing-000010", "zz-thing-000020"]
    asked = {"run": run_of(page), "copies": names, **FIELDS, **changes}
    page.press_compare(*asked.values())
    job = page.studio.jobs.latest_of("compare")
    assert job is not None
    assert job.wait(60)
    return job


def test_choosing_a_run_offers_its_copies_prompt_and_name(page: ComparePage) -> None:
    copies, prompt, name = page.choose(run_of(page))
    assert copies["choices"] == copies["value"] == ["zz-thing-000010", "zz-thing-000020"]
    assert prompt["value"] == "a picture of [name]"
    assert name["value"] == "zz-thing"


def test_a_run_that_is_no_longer_there_offers_nothing(page: ComparePage) -> None:
    assert page.choose("gone")[0]["choices"] == []


def test_sheets_and_ratings_are_made_and_the_best_copy_is_proposed(page: ComparePage) -> None:
    job = compared(page)
    assert job.progress.error == ""
    rated, sheets, copy = page.show(job, job.progress)
    assert [label for _, label in sheets["value"]] == ["a [name]", "[name] in snow"]
    assert "best copy" in rated["value"]
    assert copy["value"] in copy["choices"] == ["zz-thing-000010", "zz-thing-000020"]
    folder = job.progress.run_folder
    assert folder is not None
    assert sorted(p.name for p in (folder / "compare" / "1").glob("*.png")) == [
        "sheet-1.png",
        "sheet-2.png",
    ]
    assert len(list((folder / "compare" / "1" / "pictures").iterdir())) == 4
    compared(page, what=["Sheets of images"])
    assert (folder / "compare" / "2" / "sheet-1.png").exists()


def test_one_of_both_can_be_asked_for(page: ComparePage) -> None:
    job = compared(page, what=["Best copy"], prompts="")
    rated, sheets, _ = page.show(job, job.progress)
    assert (sheets["value"], "best copy" in rated["value"]) == ([], True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"copies": []}, "nothing is chosen"),
        ({"what": []}, "nothing is chosen"),
        ({"prompts": "a cat"}, r"does not hold \[name\]"),
        ({"weights": "loud"}, "the weights are"),
        ({"width": 65}, "a side is 65"),
        ({"judged_by": "nowhere-at-all"}, "there is no folder"),
    ],
)
def test_mistakes_are_told_before_any_work(
    page: ComparePage, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        compared(page, **changes)
    assert page.studio.jobs.latest is None


@pytest.mark.parametrize("run", ["", "../../etc", "/", None])
def test_a_run_is_what_stands_in_the_list_and_no_path(page: ComparePage, run: Any) -> None:
    with pytest.raises(DataError, match="no run is chosen"):
        compared(page, run=run)
    with pytest.raises(DataError, match="no run is chosen"):
        page.press_use(run, "zz-thing-000010", "x", False)


@pytest.mark.parametrize("copy", ["", "../state/state-000020", None])
def test_a_copy_is_one_of_the_run_s(page: ComparePage, copy: Any) -> None:
    with pytest.raises(DataError, match="no copy is chosen"):
        page.press_use(run_of(page), copy, "x", True)


def test_a_copy_is_used_under_the_embedding_s_name_and_the_host_is_told(
    page: ComparePage, tmp_path: Path, host: FakeHost
) -> None:
    there = tmp_path / "embeddings" / "zz-thing.safetensors"
    assert read_embedding(there).step == 20
    run = run_of(page)
    with pytest.raises(ConfigError, match=r"zz-thing\.safetensors exists already"):
        page.press_use(run, "zz-thing-000010", "zz-thing", False)
    said, _ = page.press_use(run, "zz-thing-000010", "zz-thing", True)
    assert "write zz-thing in a prompt" in said
    assert read_embedding(there).step == 10
    assert there.with_name("zz-thing.safetensors.before-1").exists()
    assert host.saved[-1] == there


@pytest.mark.parametrize("name", ["../x", "", "<b>", "a/b"])
def test_a_name_that_leads_away_is_refused(page: ComparePage, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        page.press_use(run_of(page), "zz-thing-000010", name, True)
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".safetensors"] == []


def test_a_copy_is_written_as_strong_as_wanted_under_a_new_name(
    page: ComparePage, tmp_path: Path
) -> None:
    run = run_of(page)
    said, _ = page.press_repair(run, "zz-thing-000020", 0.5, "zz-tamed")
    assert "zz-tamed.safetensors is written" in said
    loud = read_embedding(tmp_path / "embeddings" / "zz-thing.safetensors").vectors["emb_params"]
    tamed = read_embedding(tmp_path / "embeddings" / "zz-tamed.safetensors").vectors["emb_params"]
    factor = float(tamed[0, 0] / loud[0, 0])
    assert (tamed - loud * factor).abs().max() < 1e-5
    assert factor < 1
    with pytest.raises(ConfigError, match=r"zz-tamed\.safetensors exists already"):
        page.press_repair(run, "zz-thing-000020", 0.7, "zz-tamed")


def test_copies_for_another_family_of_models_are_told(
    page: ComparePage, studio: Studio, tmp_path: Path
) -> None:
    other = FakeHost(tmp_path / "embeddings", family=SDXL)
    studio.host = lambda: other
    assert "does not fit this model" in compared(page).progress.error
    with pytest.raises(EmbeddingError):
        page.press_repair(run_of(page), "zz-thing-000010", 1.0, "zz-new")


def test_the_table_says_what_the_figures_mean(page: ComparePage) -> None:
    job = compared(page, what=["Best copy"])
    html = ratings(page.memory.found[job.id].ratings)
    assert html.count('<tr class="ti-best">') == 1
    assert "It does not see whether other prompts suffer" in html


def test_the_word_in_the_negative_prompt_and_a_row_without_it(page: ComparePage) -> None:
    job = compared(page, what=["Sheets of images"], prompts="a tree", negative="[name]",
                   baseline=True)  # fmt: skip
    assert job.progress.error == ""
    (sheet,) = page.memory.found[job.id].sheets
    names = sorted(path.name for path in (sheet.parent / "pictures").iterdir())
    assert names == [
        "1-without-1-3.png", "1-zz-thing-000010-1-3.png", "1-zz-thing-000020-1-3.png",
    ]  # fmt: skip


@pytest.fixture
def warm(page: ComparePage, host: FakeHost, pictures: Path, tmp_path: Path) -> str:
    """A run of a hypernetwork with the copies 1 and 2, as the page lists it."""
    train(config(tmp_path, pictures, max_train_steps=2, save_every_n_steps=1), host)
    (label,) = (label for label in page.runs() if "hypernetwork" in label)
    return label


def test_copies_of_a_hypernetwork_are_compared_and_used_in_its_folder(
    page: ComparePage, warm: str, host: FakeHost, tmp_path: Path
) -> None:
    names = ["warm-000001", "warm-000002"]
    assert page.choose(warm)[0]["choices"] == names
    job = compared(page, run=warm, copies=names, prompts="a disc")
    assert job.progress.error == ""
    assert "ti-normal" not in ratings(page.memory.found[job.id].ratings)
    said, _ = page.press_use(warm, "warm-000001", "warm", True)
    assert "write &lt;hypernet:warm:1&gt; in a prompt" in said
    assert read_hypernetwork(tmp_path / "hypernetworks" / "warm.pt").step == 1
    assert host.hypernetworks_saved[-1] == tmp_path / "hypernetworks" / "warm.pt"
    with pytest.raises(DataError, match="this changes the strength of embeddings"):
        page.press_repair(warm, "warm-000001", 1.0, "tamed")
