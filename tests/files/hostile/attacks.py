"""Pickles that ask for code to be run, by every name and every instruction that could do it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from .assembler import call, legacy, legacy_with, name, program, raw_zip, table, torch_zip, value
from .case import CANARY, Case, harmless, refused

SHELL = f"echo ran> {CANARY}"
PYTHON = f"open({CANARY!r}, 'w').close()"
IMPORT = f"__import__('os').system({SHELL!r})"
NESTED = f"cos\nsystem\n(V{SHELL}\ntR.".encode()

EFFECTIVE: dict[str, tuple[Any, ...]] = {
    "os.system": (SHELL,),
    "subprocess.call": (SHELL, -1, None, None, None, None, None, True, True),
    "subprocess.getoutput": (SHELL,),
    "subprocess.getstatusoutput": (SHELL,),
    "builtins.eval": (PYTHON,),
    "builtins.exec": (PYTHON,),
    "builtins.open": (CANARY, "w"),
    "__builtin__.eval": (PYTHON,),
    "__builtin__.open": (CANARY, "w"),
    "io.open": (CANARY, "w"),
    "_io.open": (CANARY, "w"),
    "io.FileIO": (CANARY, "w"),
    "codecs.open": (CANARY, "w"),
    "os.mkdir": (CANARY,),
    "os.makedirs": (CANARY,),
    "pickle.loads": (call("_codecs", "encode", NESTED.decode(), "latin1"),),
    "_pickle.loads": (call("_codecs", "encode", NESTED.decode(), "latin1"),),
    "timeit.timeit": (PYTHON, "pass", name("time", "time"), 1),
    "cProfile.run": (PYTHON,),
    "profile.run": (PYTHON,),
    "bdb.Bdb": (),
    "importlib.import_module": ("hostile_module",),
    "builtins.__import__": ("hostile_module",),
    "runpy.run_module": ("hostile_module",),
    "pkgutil.resolve_name": ("hostile_module",),
    "pydoc.locate": ("hostile_module",),
    "zipfile.ZipFile": (CANARY, "w"),
    "sqlite3.connect": (CANARY,),
}
"""What Python's own reader of pickles would run; `hostile_module` leaves the canary when it is
imported. The tests run some of these to prove that the trap is a trap."""

PROVEN = tuple(key for key in EFFECTIVE if key not in ("bdb.Bdb", "cProfile.run", "profile.run"))

NAMES = """
    os.popen os.execv os.spawnlp os.remove os.rename os.kill os.putenv os.environ.update os.fork
    posix.system posix.execv posix.popen nt.system nt.startfile _posixsubprocess.fork_exec
    subprocess.Popen subprocess.run subprocess.check_output subprocess.check_call
    builtins.compile builtins.getattr builtins.setattr builtins.delattr builtins.globals
    builtins.vars builtins.locals builtins.input builtins.breakpoint builtins.__build_class__
    builtins.type builtins.map builtins.bytearray.__init__ __builtin__.execfile __builtin__.file
    __builtin__.apply __builtin__.reload __builtin__.getattr __builtin__.compile
    sys.setrecursionlimit sys.modules.update sys.settrace sys.exit sys.path.append
    runpy._run_code runpy.run_path pty.spawn popen2.popen3 commands.getoutput
    pickle.Unpickler pickle._Unpickler cPickle.loads dill.loads cloudpickle.loads joblib.load
    marshal.loads types.FunctionType types.CodeType code.interact code.InteractiveInterpreter
    code.InteractiveConsole codeop.compile_command importlib.reload importlib.util.find_spec
    imp.load_source _frozen_importlib._exec distutils.spawn.spawn distutils.file_util.write_file
    ctypes.CDLL ctypes.cdll.LoadLibrary ctypes.string_at mmap.mmap webbrowser.open
    socket.create_connection socket.socket urllib.request.urlopen urllib.request.urlretrieve
    urllib2.urlopen requests.get httplib.HTTPConnection http.client.HTTPSConnection
    http.server.test smtplib.SMTP ftplib.FTP xmlrpc.client.ServerProxy
    shutil.rmtree shutil.move shutil.copyfile posixpath.os.system ntpath.os.system
    tempfile.NamedTemporaryFile tarfile.open shelve.open linecache.getlines
    multiprocessing.Process concurrent.futures.ProcessPoolExecutor threading.Thread
    _thread.start_new_thread asyncio.create_subprocess_shell asyncio.run
    asyncio.unix_events._UnixSubprocessTransport._start signal.signal gc.get_objects
    inspect.getattr_static operator.attrgetter operator.methodcaller operator.itemgetter
    pdb.run pdb.Pdb trace.Trace.run turtle.Screen idlelib.run.Executive
    pydoc.pipepager pydoc.tempfilepager py_compile.compile platform.popen
    ensurepip.bootstrap pip.main pip._internal.main setuptools.setup pkg_resources.run_script
    site.addsitedir venv.create zipapp.create_archive zipimport.zipimporter
    IPython.get_ipython winreg.CreateKey ssl.get_server_certificate
    torch.load torch.hub.load torch.jit.load torch.storage._load_from_bytes
    torch.serialization.load torch.ops.load_library torch.classes.load_library
    numpy.load numpy.fromfile numpy.testing._private.utils.runstring
    copyreg.add_extension copy_reg.add_extension doctest.debug_script
    lib2to3.pgen2.grammar.Grammar.loadgram _osx_support._read_output
    _aix_support._read_cmd_output uuid._get_command_stdout logging.config.listen
    torch.utils.cpp_extension.load torch.utils.collect_env.run
    torch.utils.bottleneck.__main__.run_cprofile torch.utils._config_module.load_config
    torch._inductor.codecache.compile_file torch.jit.unsupported_tensor_ops.execWrapper
    torch._dynamo.guards.GuardBuilder.get numpy.f2py.crackfortran.getlincoef
    numpy.f2py.crackfortran.myeval numpy.memmap numpy.save numpy.genfromtxt
""".split()

UNKNOWN = """
    functools.partial functools.reduce hostile_module.anything collections.Counter
    pathlib.Path pathlib.PosixPath weakref.ref random.Random decimal.Decimal
    pytorch_lightning.callbacks.ModelCheckpoint transformers.AutoModel.from_pretrained
    torch.nn.Linear torch.nn.modules.linear.Linear torch.optim.Adam torch.autograd.Function
    torch.multiprocessing.spawn.spawn torch.distributed.rpc.rpc_sync torch.compile
    numpy.random.RandomState argparse.Namespace omegaconf.DictConfig antigravity.x this.s
    tests.files.hostile.case.refused ti_core.files.atomic.write_bytes yaml.load
""".split()
"""What is neither known nor a well-known weapon: nothing is imported, the call comes to nothing."""


def cases() -> Iterator[Case]:
    """By name, by instruction, by place, and through what is allowed."""
    for full, arguments in EFFECTIVE.items():
        yield refused(f"asks for {full}.pt", _beside(full, *arguments), f"'{full}'")
    for full in NAMES:
        yield refused(f"asks for {full}.pt", _beside(full, SHELL), f"'{full}'")
    for full in UNKNOWN:
        yield harmless(f"asks in vain for {full}.pt", _beside(full, SHELL))
    for way, code in WAYS.items():
        yield refused(f"os.system by {way}.pt", raw_zip(code), "os.system")
    yield from _places()
    for trick, code in TRICKS.items():
        yield refused(f"trick with {trick}.pt", torch_zip(table(x=code)), "")
    for trick, code in EMPTY_TRICKS.items():
        yield harmless(f"trick with {trick}.pt", torch_zip(table(x=code)))


def _beside(full: str, *arguments: Any) -> bytes:
    """A file of an honest embedding, and a call of `full`."""
    module, _, attribute = full.rpartition(".")
    return torch_zip(table(x=call(module, attribute, *arguments)))


def _places() -> Iterator[Case]:
    attack = call("os", "system", SHELL)
    for number, part in enumerate(("magic", "protocol", "system", "object", "keys")):
        content = legacy_with(attack, number)
        yield refused(f"attack in the {part} of a legacy file.pt", content, "os.system")
    for place, code in {
        "a key": b"}" + attack + b"Ns",
        "a list": value([[[attack]]]),
        "a tuple": value(((attack,),)),
        "the rows": table(attack),
        "a persistent id": attack + b"Q",
        "the middle of a storage": value(("storage", attack, "0", "cpu", 16)) + b"Q",
        "a thousand lists": b"]" * 1000 + attack + b"a" * 1000,
        "a state": value({}) + attack + b"b",
    }.items():
        yield refused(f"attack in {place}.bin", torch_zip(code), "os.system")
    yield refused("attack after an honest one.pt", legacy(table() + b"0" + attack), "os.system")
    yield refused("an attack alone.bin", program(attack), "os.system")
    yield refused("an attack as safetensors.safetensors", program(attack), "os.system")
    yield refused("an attack as a picture.png", program(attack), "os.system")
    yield harmless("attack behind the end.pt", raw_zip(program(table()) + program(attack)))


_STACKED = b"\x8c\x02os\x8c\x06system\x93"
_ARGUMENT = b"\x8c" + bytes([len(SHELL)]) + SHELL.encode()

WAYS = {
    "REDUCE": program(call("os", "system", SHELL)),
    "REDUCE of protocol 0": f"cos\nsystem\n(V{SHELL}\ntR.".encode(),
    "REDUCE of protocol 1": f"cos\nsystem\nq\0(U{chr(len(SHELL))}{SHELL}tR.".encode(),
    "REDUCE of protocol 3": program(call("os", "system", SHELL), 3),
    "STACK_GLOBAL": program(_STACKED + _ARGUMENT + b"\x85R", 4),
    "STACK_GLOBAL of protocol 5": program(_STACKED + _ARGUMENT + b"\x85R", 5),
    "STACK_GLOBAL of old texts": program(b"U\x02osU\x06system\x93" + _ARGUMENT + b"\x85R", 4),
    "STACK_GLOBAL from the memo": program(
        b"\x8c\x06system\x94\x8c\x02os\x94h\x01h\x00\x93" + _ARGUMENT + b"\x85R", 4
    ),
    "a frame": program(b"\x95" + (len(SHELL) + 16).to_bytes(8, "little") + _STACKED, 4),
    "INST": f"(V{SHELL}\nios\nsystem\n.".encode(),
    "OBJ": program(b"(" + name("os", "system") + _ARGUMENT + b"o"),
    "NEWOBJ": program(name("os", "system") + _ARGUMENT + b"\x85\x81"),
    "NEWOBJ_EX": program(name("os", "system") + _ARGUMENT + b"\x85}\x92", 4),
    "BUILD": program(name("os", "system") + value({"__setstate__": SHELL}) + b"b"),
    "PUT and GET": program(name("os", "system") + b"p5\n0g5\n" + _ARGUMENT + b"\x85R"),
    "BINPUT and BINGET": program(name("os", "system") + b"q\x050h\x05" + _ARGUMENT + b"\x85R"),
    "LONG_BINPUT": program(name("os", "system") + b"r\5\0\0\0000j\5\0\0\0" + _ARGUMENT + b"\x85R"),
    "PERSID": program(b"Pos.system\n0" + name("os", "system")).replace(
        b"Pos.system\n0", name("os", "system") + b"0"
    ),
    "POP": program(name("os", "system") + b"0N"),
    "POP_MARK": program(b"(" + name("os", "system") + b"1N"),
    "DUP": program(name("os", "system") + b"2" + _ARGUMENT + b"\x85R"),
    "an unfinished pickle": b"\x80\x02" + name("os", "system"),
}
"""Every instruction that names or calls."""


def _encoded(content: bytes) -> bytes:
    return call("_codecs", "encode", content.decode("latin1"), "latin1")


_EXECUTE = call("os", "system", SHELL)
_FROM_TYPE = ("torch._tensor", "_rebuild_from_type_v2")

TRICKS = {
    "hooks": call("torch._utils", "_rebuild_tensor_v2", b"N", 0, (2,), (1,), False, _EXECUTE),
    "a type that builds": call(*_FROM_TYPE, name("os", "system"), b"N", (SHELL,), {}),
    "getattr of a module": call("builtins", "getattr", name("torch", "os"), "system"),
    "a dotted name": value("torch")
    + value("serialization.os.system")
    + b"\x93("
    + value(SHELL)
    + b"tR",
    "a dotted name in numpy": value("numpy") + value("os.system") + b"\x93",
    "a reconstructor": call("copyreg", "_reconstructor", name("builtins", "eval"), b"N", b"N"),
    "an old reconstructor": call("copy_reg", "_reconstructor", name("os", "system"), b"N", b"N"),
    "a new object": call("copyreg", "__newobj__", name("subprocess", "Popen"), SHELL),
    "a default": call("collections", "defaultdict", name("os", "getcwd")),
    "a class as an argument": call("functools", "partial", name("os", "system"), SHELL),
    "map": call("builtins", "map", name("os", "system"), [SHELL]),
    "a pickle in a storage": call("torch.storage", "_load_from_bytes", _encoded(NESTED)),
    "a codec's module": call("codecs", "decode", "6f73", "hex"),
}
"""A weapon given to something that is allowed."""

EMPTY_TRICKS = {
    "a pickle in a number of numpy": call(
        "numpy.core.multiarray", "scalar", call("numpy", "dtype", "O8"), _encoded(NESTED)
    ),
    "an array of objects": call(
        "numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray"), (0,), b"N"
    )
    + value((1, (1,), call("numpy", "dtype", "O8"), False, [NESTED.decode()]))
    + b"b",
    "a text of code": value(IMPORT),
    "bytes of a pickle": _encoded(NESTED),
    "an object that is called": call("some", "thing") + b"(" + value(SHELL) + b"tR",
    "a class of our own": call("ti_core.errors", "FileError", SHELL),
    "a state for a class": name("some", "Thing") + b")\x81" + value({"__class__": IMPORT}) + b"b",
    "a state for a tensor": call(
        "torch._tensor",
        "_rebuild_from_type_v2",
        name("torch._utils", "_rebuild_parameter"),
        name("torch.nn.parameter", "Parameter"),
        (b"N", True, {}),
        {"__reduce__": IMPORT},
    ),
    "slots": name("some", "Thing") + b")\x81" + value((None, {"__dict__": IMPORT})) + b"b",
    "named arguments": name("some", "Thing") + b")" + value({"cls": IMPORT}) + b"\x92",
}
"""Nothing comes of these, and the embedding beside them is sound."""


def plain_pickle(full: str) -> bytes:
    """The attack as Python's own reader takes it."""
    module, _, attribute = full.rpartition(".")
    return pickle.PROTO + b"\x02" + call(module, attribute, *EFFECTIVE[full]) + b"."
