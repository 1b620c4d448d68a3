"""The machine does what Python's does with plain values, and nothing else."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.errors import UnsafeFileError
from ti_core.files.pickle_machine import Inert, PickleMachine, has_cheap_hash


class Machine(PickleMachine):
    """Every name is a tuple, every call a list of what was called and given."""

    def __init__(self, content: bytes, budget: int = 2**28) -> None:
        super().__init__(io.BytesIO(content), Path("x.pt"), budget)

    def find_class(self, module: str, name: str) -> object:
        return (module, name)

    def call(self, target: object, arguments: tuple[object, ...]) -> object:
        return [target, *arguments]

    def set_state(self, target: object, state: object) -> None:
        assert isinstance(target, list)
        target.append(state)

    def persistent_load(self, pid: object) -> object:
        return ["outside", pid]


def run(content: bytes, budget: int = 2**28) -> Any:
    return Machine(content, budget).load()


keys = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(), st.binary())
plain = st.recursive(
    keys | st.floats(allow_nan=False) | st.integers(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(keys, inner, max_size=5),
        st.sets(keys, max_size=5),
        st.frozensets(keys, max_size=5),
        st.binary(max_size=300).map(bytearray),
    ),
)


@settings(max_examples=100, deadline=None)
@given(plain)
def test_plain_values_are_what_python_makes_of_them(value: object) -> None:
    found = run(pickle.dumps(value, 5))
    assert found == value
    assert type(found) is type(value)


old = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@settings(max_examples=100, deadline=None)
@given(old, st.integers(0, 3))
def test_old_protocols_are_understood(value: object, protocol: int) -> None:
    assert run(pickle.dumps(value, protocol)) == value


def test_values_may_be_shared_and_hold_themselves() -> None:
    inner = [1]
    first, second = run(pickle.dumps([inner, inner]))
    assert first is second
    circle: list[object] = []
    circle.append(circle)
    found = run(pickle.dumps(circle))
    assert found[0] is found


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"U\x03abc.", "abc"),
        (b"T\x03\0\0\0ab\xe9.", "abé"),
        (b"S'abc'\n.", "abc"),
        (b"Vab\\u00e9\n.", "abé"),
        (b"I01\n.", True),
        (b"I12\n.", 12),
        (b"L12L\n.", 12),
        (b"F1.5\n.", 1.5),
        (b"(K\x01K\x022K\x02t.", (1, 2, 2, 2)),
        (b"K\x01K\x020.", 1),
        (b"K\x07(K\x01K\x021.", 7),
        (b"cos\nsystem\n.", ("os", "system")),
        (b"\x8c\x02os\x8c\x06system\x93.", ("os", "system")),
        (b"cos\nsystem\n(K\x01tR.", [("os", "system"), 1]),
        (b"(K\x01ios\nsystem\n.", [("os", "system"), 1]),
        (b"(cos\nsystem\nK\x01o.", [("os", "system"), 1]),
        (b"cos\nsystem\n)\x81.", [("os", "system")]),
        (b"cos\nsystem\n)}\x92.", [("os", "system")]),
        (b"cos\nsystem\n)RK\x05b.", [("os", "system"), 5]),
        (b"P12\n.", ["outside", "12"]),
        (b"K\x05Q.", ["outside", 5]),
        (b"K\x05p3\n0g3\n.", 5),
        (b"K\x05q\x030h\x03.", 5),
        (b"K\x05r\xff\xff\1\x000j\xff\xff\1\x00.", 5),
        (b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x05\x94.", 5),
        (b"\x80\x04\x95" + b"\xff" * 8 + b"K\x05.", 5),
    ],
)
def test_every_kind_of_instruction_works(content: bytes, value: object) -> None:
    assert run(content) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"K",
        b"0.",
        b"t.",
        b"(0.",
        b"K\x01(0",
        b"K\x01(\x85.",  # a tuple of what lies below the mark
        b"h\x05.",
        b"\x80\x06.",
        b"\x82\x01.",  # the registry of extensions
        b"\x97.",  # a buffer from elsewhere
        b"\xff.",
        b"K\x01K\x02a.",
        b"K\x01K\x02K\x03s.",
        b"}(K\x01u.",
        b"K\x01K\x02R.",
        b"T\xff\xff\xff\xffabc.",
        b"\x8b\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\x7f.",
        b"X\xff\xff\xff\x7fabc.",
        b"S'a.",
        b"S'\\x41'\n.",
        b"Iabc\n.",
        b"L" + b"9" * 4000 + b"\n.",
        b"c" + b"x" * 10_000 + b"\nname\n.",
        b"V" + b"x" * 10_000 + b"\n.",
        b"K\x01K\x02\x93.",
        b"(i",
    ],
)
def test_what_makes_no_sense_is_an_error(content: bytes) -> None:
    with pytest.raises((ValueError, EOFError, KeyError, UnsafeFileError)):
        run(content)


# --- bombs ------------------------------------------------------------------------------------

many = 50_000
BOMBS = {
    "endless instructions": b"N0" * many + b"N.",
    "a high stack": b"N" * many + b".",
    "marks": b"(" * many,
    "copies of the uppermost": b"N" + b"2" * many + b".",
    "memo": b"N" + b"\x94" * many + b".",
    "lists": b"]" * many + b".",
    "sets": b"\x8f" * many + b".",
    "calls": b"cx\ny\nq\0" + b"h\0)R" * many + b".",
    "stores outside": b"N" + b"Q" * many + b".",
    "a long text": b"X" + struct.pack("<I", 2**22) + b"x" * 2**22 + b".",
    "long bytes": b"\x96" + struct.pack("<Q", 2**22) + b"x" * 2**22 + b".",
    "a text of petabytes": b"\x8d" + struct.pack("<Q", 2**55) + b".",
    "bytes of petabytes": b"\x8e" + struct.pack("<Q", 2**63 - 1) + b".",
    "an array of petabytes": b"\x96" + struct.pack("<Q", 2**63) + b".",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_runs_out_of_budget(content: bytes) -> None:
    with pytest.raises(UnsafeFileError, match=r"x\.pt was rejected.*more memory"):
        run(content, 2**20)


def test_the_pickles_of_one_file_share_the_budget() -> None:
    machine = Machine(b"N0" * 3000 + b"N." + b"N0" * 3000 + b"N.", 2**20)
    assert machine.load() is None
    with pytest.raises(UnsafeFileError):
        machine.load()


def test_a_list_that_doubles_itself_is_paid_for() -> None:
    """Billion laughs: thirty lists, each of ten times the one before; only pointers are made."""
    lists = b"".join(b"](" + b"h%c" % n * 10 + b"eq%c" % (n + 1) for n in range(30))
    found = run(b"]q\0" + lists + b".", 2**20)
    assert len(found) == 10


def test_deep_nests_neither_crash_as_keys_nor_when_they_are_forgotten() -> None:
    """Python hashes nested tuples without a look at the C stack."""
    nest = b")" + b"\x85" * 100_000
    assert run(b"}" + nest + b"Ns.") == {}
    assert run(b"\x8f(" + nest + b"\x90(" + nest + b"\x91\x86.") == (set(), frozenset())


def test_keys_that_could_share_a_hash_are_left_out() -> None:
    """Whole numbers hash to their rest by 2⁶¹ - 1: thousands of equal hashes take for ever."""
    prime = 2**61 - 1
    entries = b"".join(pickle.dumps(n * prime, 2)[2:-1] + b"N" for n in range(1, 2000))
    assert len(run(b"}(" + entries + b"u.")) <= 8
    assert not has_cheap_hash((1, 2))
    assert not has_cheap_hash(frozenset())
    assert has_cheap_hash(Inert())
    assert has_cheap_hash("a")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_run_or_refused(content: bytes) -> None:
    try:
        run(b"(((N" + content + b".")
    except (ValueError, EOFError, KeyError, AssertionError, UnsafeFileError):
        return
