"""Random trees of merge expressions, as the reader makes them."""

from __future__ import annotations

from hypothesis import strategies as st

from ti_core.tools.syntax import Join, Name, Pick, Resize, Scale, Sum, Text, Token, Tree, Turn

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
DIVISORS = NUMBERS.filter(lambda number: number != 0)
PLACES = st.none() | st.integers(-1024, 1024)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: not (set("<>") & set(name) and "`" in name)
)
TEXTS = st.builds(Text, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
LEAVES = TEXTS | st.builds(Name, NAMES)


def changes(part: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """One operation on smaller trees."""
    return st.one_of(
        st.builds(Sum, part, part, st.booleans()),
        st.builds(Join, part, part | st.builds(Token, st.integers(0, 49407))),
        st.builds(Scale, part, NUMBERS),
        st.builds(Scale, part, DIVISORS, st.just(True)),
        st.builds(Resize, part, st.integers(0, 1024)),
        st.builds(Turn, part, st.integers(-1024, 1024)),
        st.builds(Pick, part, PLACES, PLACES),
    )


TREES = st.recursive(LEAVES, changes, max_leaves=12)
