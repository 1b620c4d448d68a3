"""Gives every instruction of a pickle, and everything that a pickle may call, the largest things
there are, and compares what each took with what it had paid. Runs in a process of its own.

Prints one JSON object for each that paid too little, and one with the figures.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ti_core.files import pickle_machine
from ti_core.files.numpy_pickle import NumpyArray, NumpyType
from ti_core.files.pickle_machine import Inert
from ti_core.files.restricted_unpickler import Name, RestrictedUnpickler

from .largest import ARGUMENTS, OPERANDS, PLENTY, keys, machine, values

FREE_SECONDS, FREE_BYTES = 0.004, 6 * 2**20
"""What one call may take for nothing: the clock and the system's count of memory are coarse."""
SECONDS_PER_UNIT, BYTES_PER_UNIT = 60e-9, 1.0
"""4 seconds and 64 MB for the budget of an embedding."""
_MOST_MEMORY = 4 * 2**30
_COST_OF_INSTRUCTION = 100
_ATTEMPTS = 3
"""What was slow is done again: other programs run, too."""

Todo = tuple[RestrictedUnpickler, Callable[[], object]]


class Watch:
    """Does one thing after another, and notes what took more than it had paid for."""

    def __init__(self, budget: int) -> None:
        self._budget, self.done, self.finished, self.worst = budget, 0, set[str](), 0.0

    def take(self, what: str, make: Callable[[int], Todo]) -> None:
        """`make` gives a machine with a budget, and what is to be done with it."""
        self.done += 1
        shares: list[float] = []
        while not shares or (shares[-1] > 1 and len(shares) < _ATTEMPTS):
            shares.append(self._share(what, *make(self._budget)))
        self.worst = max(self.worst, shares[-1])
        if shares[-1] > 1:
            say({"what": what, "share": shares[-1]})

    def _share(self, what: str, one: RestrictedUnpickler, action: Callable[[], object]) -> float:
        """What it took, of what it might."""
        pushed, memory = _COST_OF_INSTRUCTION * len(one._stack), _peak_from_now()
        start = time.process_time()
        if _outcome(action) is None:
            self.finished.add(what.split(" ")[0])
        seconds = time.process_time() - start
        paid = pushed + min(self._budget - one._left, self._budget)
        return max(
            seconds / (FREE_SECONDS + paid * SECONDS_PER_UNIT),
            (_peak() - memory) / (FREE_BYTES + paid * BYTES_PER_UNIT),
        )


def _outcome(action: Callable[[], object]) -> Exception | None:
    """Any error but one is an answer: the reader makes one of its own of it."""
    try:
        action()
    except MemoryError:
        raise
    except Exception as error:
        return error
    return None


def _peak_from_now() -> int:
    """Linux forgets the peak so far. Bytes that this process has."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_bytes()
    return int(status.partition(b"VmHWM:")[2].split(None, 1)[0]) * 1024


# --- what is done -----------------------------------------------------------------------------


def _calls(things: dict[str, Any]) -> Iterator[tuple[str, Callable[[int], Todo]]]:
    """Every function with every value, in every place."""
    for name in (*machine(PLENTY)._known, "x.unknown", "inert"):
        for what, arguments in _arguments(name, things):
            yield f"{name} {what}", _calling(name, arguments)


def _calling(name: str, arguments: tuple[Any, ...]) -> Callable[[int], Todo]:
    def make(budget: int) -> Todo:
        one = machine(budget)
        target = Inert() if name == "inert" else one._known.get(name, Name(name, Inert))
        return one, lambda: one.apply(target, arguments)

    return make


def _arguments(name: str, things: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "of nothing", ()
    yield "of two millions", (None,) * 2_000_000
    for what, thing in things.items():
        for count in (1, 2, 4):
            yield f"of {count} × {what}", (thing,) * count
    sound = ARGUMENTS.get(name.rsplit(".", 1)[-1], ())
    yield from _replaced(tuple(things.get(str(each), each) for each in sound), things)


def _replaced(
    sound: tuple[Any, ...], things: dict[str, Any]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "as it should be", sound
    for place in range(len(sound)):
        for what, thing in things.items():
            yield f"with {what} at {place}", (*sound[:place], thing, *sound[place + 1 :])


def _states(things: dict[str, Any]) -> Iterator[tuple[str, Callable[[int], Todo]]]:
    """Every object that takes a state, with every value as one and in one."""
    content = things["long bytes"]
    dictionary = machine(PLENTY)._known["torch.nn.modules.container.ParameterDict"].build
    for build, sound in (
        (NumpyType, (3, ">", None, None, None, -1, -1, 0)),
        (NumpyArray, (1, (len(content) // 8,), NumpyType(">f8"), True, content)),
        (dictionary, ()),
    ):
        states = [*things.items(), *_replaced(sound, things)]
        states += [(f"parameters of {key}", {"_parameters": each}) for key, each in things.items()]
        for what, state in states:
            yield f"{build.__name__}: {what}", _setting(build, state)


def _setting(build: Callable[[], object], state: object) -> Callable[[int], Todo]:
    def make(budget: int) -> Todo:
        one = machine(budget)
        return one, lambda: one.set_state(build(), state)

    return make


def _pids(things: dict[str, Any]) -> Iterator[tuple[str, Callable[[int], Todo]]]:
    """Persistent ids."""
    view = ("v", 0, 8)
    sound = ("storage", things["a type of storages"], "0", "cpu", 16, view)
    ids = [*things.items(), *_replaced(sound, things), ("long", (*sound, *(None,) * 2_000_000))]
    ids += [(f"view {what}", (*sound[:5], each)) for what, each in _replaced(view, things)]
    for what, pid in ids:
        yield f"id {what}", _loading(pid)


def _loading(pid: object) -> Callable[[int], Todo]:
    def make(budget: int) -> Todo:
        one = machine(budget)
        return one, lambda: one.external(pid)

    return make


def _instructions(things: dict[str, Any]) -> Iterator[tuple[str, Callable[[int], Todo]]]:
    """Every one, with every operand, and with every value on the stack and above a mark."""
    stacks = list(_stacks(things))
    for code in pickle_machine._ACTIONS:
        for number, operand in enumerate(OPERANDS):
            yield f"{code!r} operand {number}", _doing(code, [None] * 4, 2, operand)
        for what, stack, mark in stacks:
            yield f"{code!r} with {what}", _doing(code, stack, mark, b"0\n0\n" + bytes(9))


def _stacks(things: dict[str, Any]) -> Iterator[tuple[str, list[Any], int]]:
    """(what, stack, height of the mark or -1)"""
    yield from (("nothing", [], -1), ("a mark", [], 0), ("much", [None] * 2_000_000, 0))
    for what, thing in things.items():
        yield what, [thing] * 4, -1
        yield f"marked {what}", [thing] * 4, 0
        for kind in (list, dict, set, Inert):
            yield f"{what} for a {kind.__name__}", [kind, thing, thing], 1
        yield f"{what} for a function", [things["an unknown function"], thing], -1
        yield f"{what} for names", [things["an unknown function"], (), thing], -1
    for what, many in keys().items():
        for kind in (list, dict, set):
            yield f"{what} for a {kind.__name__}", [kind, *many], 1


def _doing(code: bytes, stack: list[Any], mark: int, operand: bytes) -> Callable[[int], Todo]:
    def make(budget: int) -> Todo:
        one = machine(budget, operand)
        one._stack = [each() if isinstance(each, type) else each for each in stack[:1]] + stack[1:]
        one._memo = [None, None]
        one._marks = [mark] if mark >= 0 else []
        return one, lambda: pickle_machine._ACTIONS[code](one)

    return make


def say(what: dict[str, Any]) -> None:
    """To the process that started this one."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Large values with a budget, and huge ones that nothing but the smallest work is paid for."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY,) * 2)
    for budget, long, many in ((2**26, 2**19, 20_000), (20_000, 2**24, 2_000_000)):
        watch, things = Watch(budget), values(long, many)
        for each in (_calls, _states, _pids, _instructions):
            for what, make in each(things):
                watch.take(what, make)
        say({"done": watch.done, "finished": sorted(watch.finished), "worst": watch.worst})


if __name__ == "__main__":
    main()
