"""Warnings are ignored in a block, and as before after the last one."""

from __future__ import annotations

import warnings

import pytest

from ti_core.data.quiet import quiet


def test_the_filters_are_as_before_when_blocks_end_in_any_order() -> None:
    before = list(warnings.filters)
    first, second = quiet(), quiet()
    with first:
        second.__enter__()
    warnings.warn("ignored", stacklevel=1)
    second.__exit__(None, None, None)
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


def test_an_error_ends_the_block() -> None:
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="damaged"), quiet():
        raise ValueError("damaged")
    assert list(warnings.filters) == before
