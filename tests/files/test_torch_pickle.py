"""Files of torch.save are read without executing anything."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.errors import FileError, UnsafeFileError
from ti_core.files import torch_pickle
from ti_core.files.numpy_pickle import NumpyType
from ti_core.files.pickle_machine import Inert
from ti_core.files.restricted_unpickler import Name
from ti_core.files.torch_pickle import read_torch_file

CONTENT: dict[str, Any] = {
    "float": torch.randn(3, 4),
    "half": torch.randn(5).half(),
    "bfloat16": torch.randn(5).bfloat16(),
    "whole": torch.arange(6).reshape(2, 3),
    "bool": torch.tensor([True, False]),
    "transposed": torch.randn(4, 6).t()[1:3],
    "empty": torch.empty(0),
    "single": torch.tensor(3.5),
    "parameter": torch.nn.Parameter(torch.ones(3)),
    "nested": [OrderedDict(a=torch.ones(2)), (1, "two", None, 3.0)],
}


def save(path: Path, content: object, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def same(a: Any, b: Any) -> bool:
    if isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in b)
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_what_torch_saves_is_read_back(tmp_path: Path, legacy: bool, mapped: bool) -> None:
    path = save(tmp_path / "x.pt", CONTENT, legacy)
    assert same(read_torch_file(path, map_memory=mapped), CONTENT)


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False)),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_values_survive(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = save(tmp_path_factory.mktemp("plain") / "x.pt", content)
    assert read_torch_file(path) == content


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_two_tensors_may_share_a_storage(tmp_path: Path, legacy: bool, mapped: bool) -> None:
    whole = torch.arange(10.0)
    path = save(tmp_path / "x.pt", {"a": whole, "b": whole[3:5], "c": whole}, legacy)
    read: Any = read_torch_file(path, map_memory=mapped)
    assert read["b"].tolist() == [3, 4]
    assert read["a"].data_ptr() == read["c"].data_ptr()
    assert (read["a"][3:].data_ptr() == read["b"].data_ptr()) == mapped


def test_a_parameter_dict_reads_as_a_dict(tmp_path: Path) -> None:
    content = {"string_to_param": torch.nn.ParameterDict({"*": torch.ones(2, 8)})}
    read = read_torch_file(save(tmp_path / "x.pt", content))
    assert isinstance(read, dict)
    assert torch.equal(read["string_to_param"]["*"], torch.ones(2, 8))


def test_numbers_of_numpy_become_plain(tmp_path: Path) -> None:
    content = {"step": np.int64(7), "rate": np.float64(0.5), "on": np.bool_(True)}
    assert read_torch_file(save(tmp_path / "x.pt", content)) == {"step": 7, "rate": 0.5, "on": True}


class SomeCallback:
    """A class that only its own program knows."""

    def __init__(self) -> None:
        self.best = 0.5


def test_unknown_classes_are_swallowed(tmp_path: Path) -> None:
    content = {"callbacks": {SomeCallback: SomeCallback()}, "weight": torch.ones(2)}
    read = read_torch_file(save(tmp_path / "x.pt", content))
    assert isinstance(read, dict)
    assert torch.equal(read["weight"], torch.ones(2))
    assert type(next(iter(read["callbacks"].values()))).__name__ == "Inert"


def turned(path: Path, folder: str = "x") -> Path:
    """The same file as a big-endian machine writes it: every number the other way round."""
    widths = {"FloatStorage": 4, "HalfStorage": 2, "LongStorage": 8, "ComplexFloatStorage": 4}
    widths |= {"DoubleStorage": 8, "BoolStorage": 1, "BFloat16Storage": 2}
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if name.endswith("byteorder"):
                data = b"big"
            elif "/data/" in name:
                width = widths[kind_of(members, name.rsplit("/", 1)[1])]
                data = np.frombuffer(data, np.uint8).reshape(-1, width)[:, ::-1].tobytes()
            archive.writestr(name, data)
    return path


def kind_of(members: dict[str, bytes], key: str) -> str:
    """The type of storage that the pickle names before a key."""
    code = next(data for name, data in members.items() if name.endswith("data.pkl"))
    names = [str(a) for op, a, _ in pickletools.genops(code) if op.name in ("GLOBAL", "BINUNICODE")]
    storages = [name.split()[-1] for name in names if name.endswith("Storage")]
    return storages[int(key)]


@pytest.mark.parametrize("mapped", [False, True])
def test_files_of_big_endian_machines_are_turned_round(tmp_path: Path, mapped: bool) -> None:
    content = {
        "a": torch.randn(3, 4),
        "b": torch.randn(5).half(),
        "c": torch.arange(6),
        "d": torch.randn(2, dtype=torch.complex64),
        "e": torch.randn(4, 6).double().t()[1:3],
        "f": torch.tensor([True, False]),
        "g": torch.randn(3).bfloat16(),
    }
    path = save(tmp_path / "x.pt", content)
    before = path.read_bytes()
    assert turned(path).read_bytes() != before
    assert same(read_torch_file(path, map_memory=mapped), content)


def test_an_unknown_byte_order_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pt", {"a": torch.ones(2)})
    path.write_bytes(path.read_bytes().replace(b"little", b"middle"))
    with pytest.raises(FileError, match="byte order is unknown"):
        read_torch_file(path)


def test_legacy_files_of_big_endian_machines_hold_little_endian_numbers(tmp_path: Path) -> None:
    """torch's THPStorage_writeFileRaw turns them; only the note about the system differs."""
    content = {"a": torch.arange(5.0)}
    path = save(tmp_path / "x.pt", content, legacy=True)
    data = path.read_bytes()
    place = data.index(b"little_endian")
    note = data.index(b"\x88", place)
    path.write_bytes(data[:note] + b"\x89" + data[note + 1 :])
    assert same(read_torch_file(path), content)


def test_types_without_a_storage_of_their_own_are_read(tmp_path: Path) -> None:
    """torch writes them as bytes, with the type at the tensor (`_rebuild_tensor_v3`)."""
    content = {"a": torch.arange(4).to(torch.uint16), "b": torch.ones(3).to(torch.float8_e4m3fn)}
    read: Any = read_torch_file(save(tmp_path / "x.pt", content))
    assert read["a"].dtype == torch.uint16
    assert read["a"].int().tolist() == [0, 1, 2, 3]
    assert read["b"].float().tolist() == [1, 1, 1]


def test_views_of_storages_in_the_oldest_files_are_read(tmp_path: Path) -> None:
    """Before torch 0.4: ('storage', type, key, place, length, (key of the view, start, length))."""
    path = save(tmp_path / "x.pt", [torch.arange(8.0)[2:5]], legacy=True)
    data = path.read_bytes()
    end = data.index(b"Q", data.index(b"FloatStorage"))
    view = b"(" + spell("v") + spell(1) + spell(6) + b"t"
    none = data.rindex(b"N", 0, end)
    path.write_bytes(data[:none] + view + data[none + 1 :])
    read: Any = read_torch_file(path)
    assert read[0].tolist() == [3, 4, 5]  # the tensor's own start counts from that of the view


@pytest.mark.parametrize("view", [(5, 4), (-1, 2), (0, 2**40)])
def test_views_beyond_their_storage_are_refused(tmp_path: Path, view: tuple[int, int]) -> None:
    kind = b"ctorch\nFloatStorage\n"
    parts = spell("storage") + kind + spell("0") + spell("cpu") + spell(8)
    content = b"\x80\x02(" + parts + b"(" + spell("v") + spell(view[0]) + spell(view[1]) + b"ttQ."
    with pytest.raises(FileError):
        read_torch_file(zip_with(tmp_path / "x.pt", content, s0=bytes(32)))


def test_the_budget_suffices_for_checkpoints_of_twenty_thousand_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SD 1.5 with its averages and its optimiser's state has some five thousand."""
    state = {f"model.diffusion_model.block.{n}.attention.weight": torch.ones(2) for n in range(200)}
    share = torch_pickle._CHECKPOINT_BUDGET // 100
    monkeypatch.setattr(torch_pickle, "_CHECKPOINT_BUDGET", share)
    path = save(tmp_path / "x.pt", {"state_dict": state})
    assert same(read_torch_file(path, map_memory=True), {"state_dict": state})


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("code", ["<f4", ">f4", "<f2", "<f8", "<i8", "|u1", "|b1"])
def test_tensors_that_were_saved_as_numpy_arrays_are_read(
    tmp_path: Path, code: str, order: Any
) -> None:
    """torch 1.12 to 2.5 on Apple's graphics: `_rebuild_device_tensor_from_numpy`."""
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=code, order=order)
    pickled = pickle.dumps(array, protocol=2)[2:-1]
    name = b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n"
    rest = b"ctorch\nfloat32\n" + spell("mps") + b"\x88"
    content = b"\x80\x02" + name + b"(" + pickled + rest + b"tR."
    read = read_torch_file(zip_with(tmp_path / "x.pt", content))
    assert isinstance(read, torch.Tensor)
    assert read.dtype == torch.float32
    assert torch.equal(read, torch.from_numpy(array.astype("<f4").copy()))


def test_arrays_of_what_torch_does_not_have_are_empty(tmp_path: Path) -> None:
    for array in (np.array(["a", "b"]), np.array([None, 5])):
        read: Any = read_torch_file(save(tmp_path / "x.pt", {"a": array, "b": torch.ones(2)}))
        assert read["a"].tensor.numel() == 0
        assert read["b"].tolist() == [1, 1]


def test_a_tensor_with_attributes_is_its_numbers(tmp_path: Path) -> None:
    tensor, parameter = torch.ones(2), torch.nn.Parameter(torch.ones(3))
    tensor.note, parameter.note = "a", "b"  # type: ignore[attr-defined]
    read = read_torch_file(save(tmp_path / "x.pt", {"a": tensor, "b": parameter}))
    assert same(read, {"a": torch.ones(2), "b": torch.ones(3)})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_every_protocol_of_pickle_is_read(tmp_path: Path, protocol: int, legacy: bool) -> None:
    path = tmp_path / "x.pt"
    torch.save(CONTENT, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    assert same(read_torch_file(path), CONTENT)


# --- hostile files ----------------------------------------------------------------------------


class Call:
    """Pickles to a call of any function."""

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        self.module, self.name, self.arguments = module, name, arguments


def hostile_pickle(call: Call, protocol: int = 2) -> bytes:
    """What `pickle` would write for an object whose __reduce__ returns that call."""
    assert protocol >= 2
    arguments = pickle.dumps(call.arguments, protocol=2)[2:-1]
    return b"\x80\x02c" + f"{call.module}\n{call.name}\n".encode() + arguments + b"R."


def zip_with(path: Path, content: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x/data.pkl", content)
        for name, data in members.items():
            archive.writestr(f"x/data/{name.removeprefix('s')}", data)
    return path


ATTACKS = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("pickle", "loads"),
    ("sys", "exit"),
    ("shutil", "rmtree"),
    ("socket", "create_connection"),
    ("ctypes", "CDLL"),
    ("webbrowser", "open"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("operator", "attrgetter"),
    ("types", "CodeType"),
]


@pytest.mark.parametrize(("module", "name"), ATTACKS)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_dangerous_name_is_refused_and_named(
    tmp_path: Path, module: str, name: str, zipped: bool
) -> None:
    canary = tmp_path / "canary"
    content = hostile_pickle(Call(module, name, f"touch {canary}"))
    path = tmp_path / "x.pt"
    if zipped:
        zip_with(path, content)
    else:
        path.write_bytes(content)
    with pytest.raises(UnsafeFileError, match=f"{module}.{name}"):
        read_torch_file(path)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["Path.unlink", "PosixPath"])
def test_an_unknown_name_is_called_in_vain(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    canary.touch()
    path = zip_with(tmp_path / "x.pt", hostile_pickle(Call("pathlib", name, str(canary))))
    assert type(read_torch_file(path)).__name__ == "Inert"
    assert canary.exists()


def test_dotted_names_do_not_reach_through_known_ones(tmp_path: Path) -> None:
    names = spell("collections") + spell("OrderedDict.__init__.__globals__")
    content = b"\x80\x04" + names + b"\x93."
    read = read_torch_file(zip_with(tmp_path / "x.pt", content))
    assert isinstance(read, Name)
    assert read.build is Inert


def test_a_file_cannot_change_the_classes_of_the_next(tmp_path: Path) -> None:
    build = b"\x80\x02cunknown\nThing\n}X\x01\x00\x00\x00xK\x01sb."
    for _ in range(2):
        try:
            read = read_torch_file(zip_with(tmp_path / "x.pt", build))
        except FileError:
            return
        assert not hasattr(type(read), "x")


def tensor_pickle(numel: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A pickle of one float tensor with any claims about itself."""
    kind = b"ctorch\nFloatStorage\n"
    storage = b"(" + spell("storage") + kind + spell("0") + spell("cpu") + spell(numel) + b"tQ"
    rest = b"".join(map(spell, (offset, size, stride, False))) + b"}"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR."


def spell(value: object) -> bytes:
    """A plain value in pickle's operations."""
    if isinstance(value, str):
        return b"\x8c" + bytes([len(value)]) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(spell, value)) + b"t"
    return pickle.dumps(value, protocol=2)[2:-1]


def test_the_crafted_tensor_is_readable_when_honest(tmp_path: Path) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    path = zip_with(tmp_path / "x.pt", tensor_pickle(4, 1, (3,), (1,)), s0=data)
    read = read_torch_file(path)
    assert isinstance(read, torch.Tensor)
    assert read.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("numel", "offset", "size", "stride"),
    [
        (5, 0, (5,), (1,)),
        (2**40, 0, (2**40,), (1,)),
        (4, 2, (3,), (1,)),
        (4, 0, (2, 2), (3, 1)),
        (4, -1, (2,), (1,)),
        (4, 0, (2,), (-1,)),
        (4, 0, (-2,), (1,)),
        (4, 0, (2**40,), (0,)),
        (4, 0, (2, 2), (1,)),
        (4, 2**63, (1,), (1,)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    tmp_path: Path, numel: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    path = zip_with(tmp_path / "x.pt", tensor_pickle(numel, offset, size, stride), s0=data)
    with pytest.raises(UnsafeFileError):
        read_torch_file(path)


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", tensor_pickle(10**7, 0, (10**7,), (1,)))
        archive.writestr("x/data/0", bytes(4 * 10**7))
    with pytest.raises(UnsafeFileError, match="compressed"):
        read_torch_file(path)


def test_a_zip_that_lies_about_sizes_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pt", {"a": torch.arange(1000.0)})
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data/0")).encode()
    entry = data.rindex(name) - 46  # its record in the central directory
    data[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(data)
    with pytest.raises(FileError):
        read_torch_file(path)


def test_a_missing_storage_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="missing"):
        read_torch_file(zip_with(tmp_path / "x.pt", tensor_pickle(4, 0, (4,), (1,))))


def test_a_legacy_file_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pt", {"a": torch.arange(1000.0)}, legacy=True)
    data = path.read_bytes().replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f")  # 1000 → 2³¹ - 1
    path.write_bytes(data)
    with pytest.raises(UnsafeFileError, match="more bytes than the file"):
        read_torch_file(path)


def test_a_value_noted_under_a_huge_number_is_refused(tmp_path: Path) -> None:
    content = b"\x80\x02K\x01r\xff\xff\xff\x7f."  # remember 1 as number 2³¹
    with pytest.raises(UnsafeFileError, match="more memory"):
        read_torch_file(zip_with(tmp_path / "x.pt", content))


ENDLESS = b"]q\0" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(40))
LIST = b"]q\0(" + b"N" * 1000 + b"e"
HANGS = {
    "copies of a long list": LIST + b"cbuiltins\nlist\nq\1" + b"h\1h\0\x85R" * 30_000,
    "copies of a large dictionary": b"}q\0("
    + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(1000))
    + b"u"
    + b"ccollections\nOrderedDict\nq\1"
    + b"h\1h\0\x85R" * 30_000,
    "texts encoded again and again": b"X\0\0\4\0"
    + b"x" * 2**18
    + b"q\0c_codecs\nencode\nq\1"
    + b"h\1h\0\x85R" * 30_000,
    "a shape of lists": b"cnumpy.core.multiarray\n_reconstruct\n)R(K\1(]N" + b"a"
    b"\x8a\x08\0\0\0\0\1\0\0\0tcnumpy\ndtype\nX\2\0\0\0f4\x85R\x89C\0tb",
    "calls within calls": b"ctorch._tensor\n_rebuild_from_type_v2\nq\1N"
    + b"q\2h\1(h\1Nh\2Nt" * 20_000
    + b"R",
}


@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        ("copies of a long list", "more memory"),
        ("copies of a large dictionary", "more memory"),
        ("texts encoded again and again", "more memory"),
        ("a shape of lists", "invalid shape"),
        ("calls within calls", "make no sense"),
    ],
)
def test_work_without_end_is_refused(tmp_path: Path, bomb: str, message: str) -> None:
    path = zip_with(tmp_path / "x.pt", b"\x80\x02" + HANGS[bomb] + b".")
    with pytest.raises(FileError, match=message):
        read_torch_file(path)


def test_a_list_whose_text_would_never_end_is_never_spelled(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "x.pt", b"\x80\x02" + ENDLESS + b"cnumpy\ndtype\nh\x28\x85R.")
    assert isinstance(read_torch_file(path), NumpyType)


def test_names_of_storages_that_never_end_are_refused_unread(tmp_path: Path) -> None:
    """A list that holds itself twice, forty times over, has a text of a million megabytes."""
    path = save(tmp_path / "x.pt", {"a": torch.ones(2)}, legacy=True)
    data = path.read_bytes()
    keys = data.rindex(b"\x80\x02]")
    path.write_bytes(data[:keys] + b"\x80\x02" + ENDLESS + b".")
    with pytest.raises(FileError, match="list of storages"):
        read_torch_file(path)


def test_a_tensor_of_thousands_of_dimensions_is_refused(tmp_path: Path) -> None:
    content = tensor_pickle(4, 0, (1,) * 5000, (1,) * 5000)
    with pytest.raises(UnsafeFileError, match="invalid shape"):
        read_torch_file(zip_with(tmp_path / "x.pt", content, s0=bytes(16)))


def test_a_call_of_what_is_no_function_is_an_error(tmp_path: Path) -> None:
    for target in (b"K\5", b"X\2\0\0\0os", b"ctorch\nfloat32\n", b"ctorch\nFloatStorage\n", b"]"):
        with pytest.raises(FileError, match="not a function"):
            read_torch_file(zip_with(tmp_path / "x.pt", b"\x80\x02" + target + b")R."))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
def test_pipes_and_folders_are_errors_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(FileError, match="cannot read"):
            read_torch_file(path)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_off_anywhere_is_an_error(tmp_path: Path, legacy: bool, part: float) -> None:
    path = save(tmp_path / "x.pt", CONTENT, legacy)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FileError, match=r"x\.pt"):
        read_torch_file(path)


_KINDS = ((torch.ones, 2), (torch.empty, 0))


def _storage_key(tensor: torch.Tensor) -> str:
    return str(tensor.untyped_storage()._cdata)


def test_a_legacy_file_without_the_end_of_its_last_empty_tensor_is_an_error(tmp_path: Path) -> None:
    """Behind the last tensor's count, which is all there is of an empty one, nothing follows."""
    # torch writes storages in the order of their keys, which are the texts of their addresses
    ones, empties = ([make(size) for _ in range(50)] for make, size in _KINDS)
    first, last = min(ones, key=_storage_key), max(empties, key=_storage_key)
    assert _storage_key(first) < _storage_key(last)
    path = save(tmp_path / "x.pt", {"a": first, "b": last}, legacy=True)
    data = path.read_bytes()
    for missing in range(1, 9):
        path.write_bytes(data[:-missing])
        with pytest.raises(FileError, match=r"x\.pt"):
            read_torch_file(path)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damage_never_escapes_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, legacy: bool
) -> None:
    path = tmp_path_factory.mktemp("damage") / "x.pt"
    save(path, {"a": torch.ones(3, 4), "name": "x", "step": 5}, legacy)
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(FileError):  # the only error that is allowed
        read_torch_file(path)


def test_the_reference_embedding_of_the_real_host_is_read() -> None:
    read = read_torch_file(Path(__file__).parents[1] / "golden" / "my-ref.pt")
    assert isinstance(read, dict)
    assert read["string_to_param"]["*"].shape == (2, 768)
