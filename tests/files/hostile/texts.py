"""Text and JSON files that are damaged, without end, or no files at all; and every place in which
somebody else's are read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

from ti_core.demo.assets import model_folder

from .case import Case, answered, no_model, writer
from .readers import RUN

Make = Callable[[Path], object]
_MUCH = 1_100_000

TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b"{",
    "a list": b"[1, 2]",
    "a number": b"7",
    "a number of many digits": b'{"a":' + b"9" * 5000 + b"}",
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "what is not finite": b'{"a": 1e999, "b": NaN}',
    "zero bytes": bytes(4096),
    "no text": b"\xff\xfe\xfa\x80" * 99,
    "half a letter": b'{"a": "\\ud800"}',
    "spaces of megabytes": b" " * _MUCH,
    "lines of megabytes": b"\n" * _MUCH,
    "a line of megabytes": b"a" * _MUCH,
    "megabytes of lists": b"[" + b"[]," * (_MUCH // 3) + b"1]",
    "a name that is not a name": b'{"__class__": "os.system", "": {}, "a": {"a": {"a": {}}}}',
    "an array of tables": b"[[datasets]]\n" * 999,
}


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(target: str) -> Make:
    return lambda path: path.symlink_to(target)


def _hole(path: Path) -> None:
    path.write_bytes(b"{")
    os.truncate(path, 5 * 2**30)


PLACES: dict[str, Make] = {
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a hole of 5 GB": _hole,
    **(
        {
            "a pipe": _pipe,
            "a device without end": _link("/dev/zero"),
            "an empty device": _link("/dev/null"),
            "a file of the kernel": _link("/proc/kmsg"),
        }
        if os.name == "posix"
        else {}
    ),
}


def faults() -> Iterator[tuple[str, Make]]:
    """(what is wrong, what puts it at a path)"""
    for what, content in TEXTS.items():
        yield what, writer(content)
    yield from PLACES.items()


def cases() -> Iterator[Case]:
    """Every fault wherever a text is read."""
    for what, make in faults():
        yield answered(f"template of {what}.txt", "template", make)
        yield answered(f"prompts of {what}.txt", "prompts", make)
        yield answered(f"caption of {what}.txt", "caption", make)
        yield answered(f"dataset of {what}.toml", "dataset", make)
        yield answered(f"dataset of {what}.json", "dataset", make)
        yield answered(f"run with settings of {what}", "run", _inside(make, "settings.json"))
        yield answered(f"run with events of {what}", "run", _inside(make, "events.jsonl"))
        for file in _OF_MODELS:
            name = f"folder with {what} for {file.replace('/', ' ')}"
            if file in _REQUIRED:
                yield no_model(name, _model(make, file), "")
            else:
                yield answered(name, "model", _model(make, file))
    for number, text in enumerate(DATASETS):
        yield answered(f"dataset number {number}.toml", "dataset", dataset(text))


_REQUIRED = (
    "unet/config.json", "vae/config.json", "text_encoder/config.json", "tokenizer/vocab.json",
    "scheduler/scheduler_config.json",
)  # fmt: skip
_OF_MODELS = (*_REQUIRED, "tokenizer/merges.txt", "tokenizer/special_tokens_map.json")


SETTINGS = '{"name": "a", "train": {"embedding": {"token_string": "a"}}}'
"""Of a run."""


def _inside(make: Make, name: str) -> Make:
    """In a run folder that is sound but for this file."""

    def put(path: Path) -> None:
        run = path / RUN
        run.mkdir(parents=True)
        if name != "settings.json":
            (run / "settings.json").write_text(SETTINGS)
        make(run / name)

    return put


def _model(make: Make, name: str) -> Make:
    """In a diffusers folder that is sound but for this file."""

    def put(path: Path) -> None:
        copy_of_model(path)
        (path / name).unlink()
        make(path / name)

    return put


def copy_of_model(path: Path) -> None:
    """The bundled one; its weights are links."""
    shutil.copytree(model_folder(), path, copy_function=_linked_weights)


def _linked_weights(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        Path(target).symlink_to(source)
    else:
        shutil.copy(source, target)


def changed(name: str, **values: object) -> Make:
    """A diffusers folder whose configuration says something else."""

    def put(path: Path) -> None:
        copy_of_model(path)
        told = json.loads((path / name).read_text())
        (path / name).write_text(json.dumps({**told, **values}))

    return put


SUBSET = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "in"\n'
DATASETS = (
    f"{SUBSET}num_repeats = 1000000000000000000000000\n",
    f"{SUBSET}num_repeats = 1000000\n",
    f"{SUBSET}num_repeats = -1\n",
    f"{SUBSET}num_repeats = inf\n",
    f"{SUBSET}num_repeats = {'9' * 4000}\n",
    f"{SUBSET}resolution = 1{'0' * 400}\n",
    f"{SUBSET}resolution = [99999999, 99999999]\n",
    f"{SUBSET}resolution = [1, 2, 3]\n",
    f"{SUBSET}resolution = nan\n",
    f"{SUBSET}batch_size = 1000000000000\n",
    f"{SUBSET}enable_bucket = true\nbucket_reso_steps = 0\n",
    f"{SUBSET}enable_bucket = true\nmin_bucket_reso = 1\nmax_bucket_reso = 1000000000\n",
    f'{SUBSET}enable_bucket = true\nmin_bucket_reso = "a"\n',
    f"{SUBSET}keep_tokens = -5\n",
    f"{SUBSET}caption_tag_dropout_rate = 1e308\n",
    f'{SUBSET}prompt_template = "/dev/zero"\n',
    f'{SUBSET}prompt_template = "/dev/stdin"\n',
    f'{SUBSET}prompt_template = "../../../../etc/passwd"\n',
    f'{SUBSET}caption_extension = "/../../../../dev/zero"\n',
    f'{SUBSET}caption_extension = "\\u0000"\n',
    f'{SUBSET}caption_extension = "{"." * 5000}"\n',
    f'{SUBSET}caption_prefix = "{"a" * 500_000}"\n',
    f'{SUBSET}class_tokens = "{"(" * 20_000}"\n',
    f'{SUBSET}filename_word_regex = "("\n',
    f'{SUBSET}filename_word_regex = "{"(" * 5000}{")" * 5000}"\n',
    f'{SUBSET}filename_word_regex = "(?:a{{1,60000}}){{1,60000}}"\n',
    f'[[datasets]]\n[[datasets.subsets]]\nimage_dir = "{"a" * 9000}"\n',
    '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "\\u0000"\n',
    '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "/dev/zero"\n',
    '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "/proc/self/fd"\n',
    '[[datasets]]\n[[datasets.subsets]]\nimage_dir = ""\n',
    "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 7\n",
    f"{SUBSET}__class__ = 1\n",
    "datasets = 7\n",
    "[datasets]\nsubsets = 7\n",
    "datasets = [[[[[[7]]]]]]\n",
    f"a = {'[' * 5000}{']' * 5000}\n",
    f"{'a.' * 20_000}b = 1\n",
    f"[{'a.' * 20_000}b]\n",
    "a = 0x" + "f" * 200_000 + "\n",
    "a = 1e" + "9" * 200_000 + "\n",
    "a = 9999-99-99\n",
    "[[datasets]]\n" + "[[datasets.subsets]]\nimage_dir = 'in'\n" * 20_000,
)


def dataset(text: str) -> Make:
    """Beside a folder with a picture."""

    def put(path: Path) -> None:
        path.write_text(text)
        pictures = path.parent / "in"
        if not pictures.exists():
            pictures.mkdir()
            Image.new("RGB", (64, 64), "red").save(
                pictures / "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!.png"
            )

    return put
