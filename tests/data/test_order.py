"""Which picture comes when."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ti_core.data.order import Order, SizeGroup, balance_repeats, batch_items, epoch_order

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


SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=2, max_size=4)


def groups_of(sizes: list[tuple[int, int]]) -> tuple[SizeGroup, ...]:
    """Groups of so many pictures, with such batch sizes; numbers go on from group to group."""
    starts = [sum(count for count, _ in sizes[:i]) for i in range(len(sizes))]
    return tuple(
        SizeGroup(tuple(range(start, start + count)), batch)
        for start, (count, batch) in zip(starts, sizes, strict=True)
    )


@given(SIZES, st.integers(0, 9), st.integers(1, 3))
def test_with_several_sizes_every_picture_comes_once_an_epoch_and_batches_hold_one_size(
    sizes: list[tuple[int, int]], seed: int, passes: int
) -> None:
    groups = groups_of(sizes)
    order = Order(groups, seed, passes)
    length = sum(-(-count // batch) for count, batch in sizes)
    batches = [batch for step in range(length) for batch in order.of_step(step)]
    for epoch in range(passes):
        seen = [i for batch in batches[epoch * length : (epoch + 1) * length] for i in batch]
        assert sorted(seen) == [i for group in groups for i in group.pictures]
    for batch in batches:
        (group,) = {group for group in groups if set(batch) & set(group.pictures)}
        assert len(batch) <= group.batch_size


def test_with_one_size_the_order_is_the_one_it_always_was() -> None:
    order = Order((SizeGroup(tuple(range(5)), 2),), seed=3, passes=2)
    for step in range(9):
        batches = order.of_step(step)
        assert [len(batch) for batch in batches] == [2, 2]
        assert [i for batch in batches for i in batch] == batch_items(5, 3, step, 4)


def test_repeated_pictures_come_as_often_as_told() -> None:
    order = Order((SizeGroup((0, 0, 0, 1), 1),), seed=0)
    seen = [order.of_step(step)[0][0] for step in range(8)]
    assert (seen.count(0), seen.count(1)) == (6, 2)


def test_epochs_are_counted_in_updates() -> None:
    assert [Order((SizeGroup((0, 1, 2, 3), 2),), 0).epoch(step) for step in range(4)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    several = Order(groups_of([(3, 2), (1, 2)]), 0)
    assert [several.epoch(step) for step in (0, 2, 3)] == [(0, 0), (0, 2), (1, 0)]


def test_the_order_changes_with_seed_and_epoch_and_with_nothing_else() -> None:
    groups = groups_of([(9, 2), (8, 2)])
    one = [Order(groups, 1).of_step(step) for step in range(18)]
    assert one == [Order(groups, 1).of_step(step) for step in range(18)]
    assert one[:9] != one[9:]
    assert one != [Order(groups, 2).of_step(step) for step in range(18)]


@pytest.mark.parametrize(
    ("repeats", "wanted", "expected"),
    [
        ([1, 1, 1, 1], 6, [2, 2, 1, 1]),
        ([2, 2], 10, [5, 5]),
        ([3, 3, 3], 6, [3, 3, 0]),
        ([5], 3, [5]),
        ([], 4, []),
        ([1, 1], 0, [0, 0]),
    ],
)
def test_regularisation_pictures_are_counted_as_kohya_counts_them(
    repeats: list[int], wanted: int, expected: list[int]
) -> None:
    assert balance_repeats(repeats, wanted) == expected
