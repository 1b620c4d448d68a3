"""How strong the vectors are beside the model's words, told while they are trained."""

from __future__ import annotations

from typing import Any

import pytest

from ti_core.families import FAMILIES
from ti_core.files.embedding import for_encoders
from ti_core.files.reading import read_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.tools.strength import strength_of
from ti_core.tools.vocabulary import median_lengths
from ti_core.train.events import Finished, Saved, Started
from ti_core.train.loop import train
from ti_core.train.progress import JobProgress, after, figures_text

from ..conftest import Configure
from .spoiled import Log


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_start_states_copies_and_end_tell_the_strength_of_their_files(
    configure: Configure, family: str
) -> None:
    log, host = Log(), FakeHost(family=FAMILIES[family])
    config = configure(num_vectors_per_token=2, save_every_n_steps=5, learning_rate="0.3")
    path = train(config, host, log)
    facts = host.describe()
    with host.session() as session:
        usual = median_lengths(facts, session)
    assert log.of(Started)[0].usual_lengths == usual
    copies = [event for event in log.of(Saved) if event.kind == "copy"]
    for event in (*copies, log.of(Finished)[0]):
        rows = for_encoders(read_embedding(event.path), facts.widths, str(path))
        expected = strength_of(rows, usual)
        assert event.verdict == expected.verdict
        for key, ratios in expected.ratios.items():
            assert event.strength[key] == pytest.approx(ratios, rel=1e-4)
    states = [event for event in log.of(Saved) if event.kind == "state"]
    assert all(event.strength for event in states)


def test_a_held_length_stays_that_of_a_word(configure: Configure) -> None:
    log = Log()
    train(configure(vector_length="median", learning_rate="0.5"), FakeHost(), log)
    ratios = [ratio for event in log.of(Saved) for ratio in event.strength["clip_l"]]
    assert ratios == pytest.approx([1.0] * len(ratios), abs=1e-4)


@pytest.mark.parametrize(
    ("ratios", "told"),
    [({}, ""), ({"clip_l": [0.2, 2.5], "clip_g": [1.0]}, ", strength 2.50 (strong)")],
)
def test_the_line_of_a_run_ends_with_its_strongest_vector(ratios: Any, told: str) -> None:
    event = Started("w", "run", 0, 9, 5, "t", "m", "2", {}, [], strength=ratios)  # type: ignore[arg-type]
    text = figures_text(after(JobProgress(), event))
    assert text == f"loss ?, rate 0{told}"
