"""Which picture comes when."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.order import batch_items, epoch_order

counts = st.integers(1, 12)
seeds = st.integers(0, 2**63 - 1)


@given(counts, seeds, st.integers(0, 1000))
def test_an_epoch_is_a_permutation(count: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(count, seed, epoch)) == list(range(count))


@given(counts, seeds, st.integers(1, 9), st.integers(1, 5))
def test_every_picture_comes_once_per_epoch_whatever_the_batch(
    count: int, seed: int, per_step: int, epochs: int
) -> None:
    steps = -(-count * epochs // per_step)
    seen = [i for step in range(steps) for i in batch_items(count, seed, step, per_step)]
    for epoch in range(epochs):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))
    assert max(Counter(seen).values()) - min(Counter(seen).values()) <= 1 + per_step // count


@given(counts, seeds, st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_accumulated_batches_see_the_same_pictures_as_one_large_batch(
    count: int, seed: int, step: int, batch: int, passes: int
) -> None:
    large = batch_items(count, seed, step, batch * passes)
    small = [batch_items(count, seed, step * passes + i, batch) for i in range(passes)]
    assert large == [item for part in small for item in part]


def test_epochs_differ_and_so_do_seeds() -> None:
    orders = {tuple(epoch_order(8, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
