"""A stack machine for the instructions of a pickle that can only handle plain values.

A pickle is a program. Python's own machine imports what the program names and calls it; this one
leaves both to its subclass (`RestrictedUnpickler`), never sets an attribute, and spends from a
budget before every instruction, copy and comparison, so that a few bytes cannot make it work or
grow without end.
The instructions are those of Python's `pickletools`, protocols 0 to 5, without the extension
registry and out-of-band buffers, which no file of torch has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from typing import IO, Any

from .pickle_reader import BrokenPickleError, PickleReader

_COST_OF_INSTRUCTION = 100
_COST_OF_NOTE = 16
_COST_OF_KEY = 100
_COST_OF_SET = 250
_COST_OF_NAME = 500
_COST_OF_CALL = 1000
_COST_OF_ARGUMENT = 16
_MOST_BYTES_IN_A_NUMBER = 1024
_MOST_CHARACTERS_IN_A_NAME = 255
_MOST_CHARACTERS_IN_A_KEY = 4096
_NEWEST_PROTOCOL = 5
_NOTHING = object()


class Inert:
    """Stands for an object of a class that means nothing here; swallows everything."""

    def __init__(self, *args: object) -> None:
        pass


class PickleMachine(PickleReader):
    """Runs pickles of one file, one after the other, within one budget.

    Raises UnsafeFileError when the budget is spent. Damaged pickles raise BrokenPickleError,
    EOFError, and whatever else comes up: the caller turns that into a FileError.
    """

    def __init__(self, file: IO[bytes], path: Path, budget: int) -> None:
        super().__init__(file, path, budget)
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []

    def find_class(self, module: str, name: str) -> object:
        """What a name in the file stands for."""
        raise NotImplementedError

    def call(self, target: object, arguments: tuple[object, ...]) -> object:
        """What a call that the file asks for results in."""
        raise NotImplementedError

    def set_state(self, target: object, state: object) -> None:
        """Give an object that was built the contents that the file has for it."""
        raise NotImplementedError

    def persistent_load(self, pid: object) -> object:
        """Something that lies outside of the pickle."""
        raise NotImplementedError

    def load(self) -> Any:
        """Run the next pickle; the value that it leaves."""
        self._stack, self._marks, self._memo = [], [], []
        while (code := self.take(1)) != b".":
            self.spend(_COST_OF_INSTRUCTION)
            action = _ACTIONS.get(code)
            if action is None:
                raise BrokenPickleError(f"instruction {code!r} belongs to no file of torch")
            action(self)
        return self.pop()

    # --- the stack ----------------------------------------------------------------------------

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the uppermost value, which lies above the last mark."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise BrokenPickleError("its stack is empty")
        return self._stack.pop()

    def top(self) -> Any:
        """The uppermost value, left where it is."""
        value = self.pop()
        self._stack.append(value)
        return value

    def mark(self) -> None:
        """Remember this height of the stack."""
        self._marks.append(len(self._stack))

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        if not self._marks:
            raise BrokenPickleError("its stack has no mark")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def drop(self) -> None:
        """Forget the uppermost value or mark."""
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self.pop()

    def tuple_of(self, count: int) -> None:
        """Turn the uppermost values into a tuple."""
        start = len(self._stack) - count
        if start < (self._marks[-1] if self._marks else 0):
            raise BrokenPickleError("its stack is empty")
        self._stack[start:] = [tuple(self._stack[start:])]

    def remember(self, index: int) -> None:
        """Note the uppermost value under a number. A dictionary would be slow for numbers that
        were chosen for it; in a list, those that are left out cost something."""
        if index < 0:
            raise BrokenPickleError("it notes a value under a negative number")
        if (missing := index + 1 - len(self._memo)) > 0:
            self.spend(_COST_OF_NOTE * missing)
            self._memo.extend([_NOTHING] * missing)
        self._memo[index] = self.top()

    def memorise(self) -> None:
        """Note the uppermost value under the next number."""
        self.remember(len(self._memo))

    def recall(self, index: int) -> None:
        """Put the value noted under a number on the stack once more."""
        if not 0 <= index < len(self._memo) or self._memo[index] is _NOTHING:
            raise BrokenPickleError("it refers to a value that was never noted")
        self.push(self._memo[index])

    # --- containers ---------------------------------------------------------------------------

    def extend(self, values: list[Any]) -> None:
        """Append to the list below."""
        target = self.top()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Inert):
            raise BrokenPickleError("an item is appended to what is not a list")

    def fill(self, values: list[Any]) -> None:
        """Put keys and values, alternating, into the dictionary below."""
        target = self.top()
        if isinstance(target, dict):
            self.put_all(target, zip(values[::2], values[1::2], strict=True))
        elif not isinstance(target, Inert):
            raise BrokenPickleError("an entry is made in what is not a dictionary")

    def add(self, values: list[Any]) -> None:
        """Put values into the set below."""
        target = self.top()
        if isinstance(target, set):
            self.add_all(target, values)
        elif not isinstance(target, Inert):
            raise BrokenPickleError("something is added to what is not a set")

    def put_all(self, target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> None:
        """Make entries under every key that may be one."""
        target.update((key, value) for key, value in pairs if self._takes(target, key))

    def add_all(self, target: set[Any], values: Iterable[Any]) -> None:
        """Put every value that may be a key into a set."""
        target.update(value for value in values if self._takes(target, value))

    def _takes(self, target: Sized, key: object) -> bool:
        """Whether it may be a key; if so, its place is paid for. Numbers tell where they are put:
        they can be chosen so that each is compared with all that are there."""
        if not has_cheap_hash(key):
            return False
        compared = len(target) // 4 if isinstance(key, (int, float)) else 0
        self.spend(_COST_OF_KEY + compared)
        return True

    # --- names --------------------------------------------------------------------------------

    def look_up(self, module: str, name: str) -> object:
        """What a name stands for."""
        self.spend(_COST_OF_NAME)
        if len(module) + len(name) > _MOST_CHARACTERS_IN_A_NAME:
            raise BrokenPickleError("it has a name that is too long")
        return self.find_class(module, name)

    def apply(self, target: object, arguments: object) -> None:
        """Put the result of a call on the stack."""
        self.spend(_COST_OF_CALL)
        if not isinstance(arguments, tuple):
            raise BrokenPickleError("the arguments of a call are not a tuple")
        self.spend(_COST_OF_ARGUMENT * len(arguments))
        self.push(self.call(target, arguments))

    def external(self, pid: object) -> None:
        """Put something from outside of the pickle on the stack."""
        self.spend(_COST_OF_CALL)
        self.push(self.persistent_load(pid))

    def build(self) -> None:
        """Give the object below its contents."""
        state = self.pop()
        self.set_state(self.top(), state)


def has_cheap_hash(value: object) -> bool:
    """Whether it may be a key. Nested tuples would overflow the C stack when they are hashed, huge
    whole numbers can be made to share one hash, and equal texts are compared as a whole: all of
    these mean nothing here and are left out."""
    if isinstance(value, int):
        return abs(value) < 2**64
    if isinstance(value, (str, bytes)):
        return len(value) <= _MOST_CHARACTERS_IN_A_KEY
    return isinstance(value, (float, type(None))) or type(value).__hash__ is object.__hash__


# --- the instructions -----------------------------------------------------------------------------

Action = Callable[[PickleMachine], None]


def _protocol(machine: PickleMachine) -> None:
    if machine.number("<B") > _NEWEST_PROTOCOL:
        raise BrokenPickleError("its pickle protocol is unknown")


def _frame(machine: PickleMachine) -> None:
    """A frame only says how much to read at once; what is in it follows anyway."""
    machine.take(8)


def _drop_to_mark(machine: PickleMachine) -> None:
    machine.pop_to_mark()


def _long(layout: str) -> Action:
    def push_long(machine: PickleMachine) -> None:
        count = machine.number(layout)
        if not 0 <= count <= _MOST_BYTES_IN_A_NUMBER:
            raise BrokenPickleError(f"a number has {count} bytes")
        machine.push(int.from_bytes(machine.take(count), "little", signed=True))

    return push_long


def _long_from_line(machine: PickleMachine) -> None:
    """Protocol 0; "00" and "01" are False and True."""
    text = machine.line().rstrip("L")
    if len(text) > _MOST_BYTES_IN_A_NUMBER:
        raise BrokenPickleError(f"a number has {len(text)} digits")
    machine.push(text == "01" if text in ("00", "01") else int(text))


def _quoted_line(machine: PickleMachine) -> None:
    text = machine.line()
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0] or "\\" in text:
        raise BrokenPickleError("a text is not quoted correctly")
    machine.push(text[1:-1])


def _set_item(machine: PickleMachine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.fill([key, value])


def _dictionary(machine: PickleMachine) -> None:
    values = machine.pop_to_mark()
    machine.push({})
    machine.fill(values)


def _frozen_set(machine: PickleMachine) -> None:
    values: set[Any] = set()
    machine.add_all(values, machine.pop_to_mark())
    machine.push(frozenset(values))


def _empty_set(machine: PickleMachine) -> None:
    machine.spend(_COST_OF_SET)
    machine.push(set())


def _call(machine: PickleMachine) -> None:
    arguments = machine.pop()
    machine.apply(machine.pop(), arguments)


def _call_with_names(machine: PickleMachine) -> None:
    """Named arguments are dropped: nothing that is known has any."""
    machine.pop()
    _call(machine)


def _call_old(machine: PickleMachine) -> None:
    target, *arguments = machine.pop_to_mark()
    machine.apply(target, tuple(arguments))


def _call_named_in_line(machine: PickleMachine) -> None:
    target = machine.look_up(machine.line(), machine.line())
    machine.apply(target, tuple(machine.pop_to_mark()))


def _name_on_stack(machine: PickleMachine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise BrokenPickleError("a name is not text")
    machine.push(machine.look_up(module, name))


def _text(layout: str) -> Action:
    return lambda m: m.push(m.text(layout, "utf-8"))


def _old_text(layout: str) -> Action:
    """Python 2 wrote some of the old checkpoints."""
    return lambda m: m.push(m.text(layout, "latin1"))


def _bytes(layout: str) -> Action:
    return lambda m: m.push(m.block(layout))


def _number(layout: str) -> Action:
    return lambda m: m.push(m.number(layout))


_ACTIONS: dict[bytes, Action] = {
    b"\x80": _protocol,
    b"\x95": _frame,
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": _number("<i"),
    b"K": _number("<B"),
    b"M": _number("<H"),
    b"G": _number(">d"),
    b"\x8a": _long("<B"),
    b"\x8b": _long("<i"),
    b"I": _long_from_line,
    b"L": _long_from_line,
    b"F": lambda m: m.push(float(m.line())),
    b"X": _text("<I"),
    b"\x8c": _text("<B"),
    b"\x8d": _text("<Q"),
    b"V": lambda m: m.push(m.line().encode("latin1").decode("raw_unicode_escape")),
    b"U": _old_text("<B"),
    b"T": _old_text("<i"),
    b"S": _quoted_line,
    b"C": _bytes("<B"),
    b"B": _bytes("<I"),
    b"\x8e": _bytes("<Q"),
    b"\x96": lambda m: m.push(bytearray(m.block("<Q"))),
    b"(": PickleMachine.mark,
    b"0": PickleMachine.drop,
    b"1": _drop_to_mark,
    b"2": lambda m: m.push(m.top()),
    b")": lambda m: m.push(()),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"t": lambda m: m.push(tuple(m.pop_to_mark())),
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.pop_to_mark()),
    b"a": lambda m: m.extend([m.pop()]),
    b"e": lambda m: m.extend(m.pop_to_mark()),
    b"}": lambda m: m.push({}),
    b"d": _dictionary,
    b"s": _set_item,
    b"u": lambda m: m.fill(m.pop_to_mark()),
    b"\x8f": _empty_set,
    b"\x90": lambda m: m.add(m.pop_to_mark()),
    b"\x91": _frozen_set,
    b"p": lambda m: m.remember(int(m.line())),
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": PickleMachine.memorise,
    b"g": lambda m: m.recall(int(m.line())),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    b"c": lambda m: m.push(m.look_up(m.line(), m.line())),
    b"\x93": _name_on_stack,
    b"R": _call,
    b"\x81": _call,
    b"\x92": _call_with_names,
    b"o": _call_old,
    b"i": _call_named_in_line,
    b"b": PickleMachine.build,
    b"P": lambda m: m.external(m.line()),
    b"Q": lambda m: m.external(m.pop()),
}
