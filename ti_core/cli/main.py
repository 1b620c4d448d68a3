"""`ti`: find the verb, run it, turn errors into one sentence and an exit code.

Exit codes: 0 done · 1 it went wrong · 2 the options were wrong · 129, 130, 143 stopped by a closed
terminal, Ctrl-C or SIGTERM, everything saved.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from .. import __version__
from ..errors import ConfigError, TIError
from ..options import nearest
from .telling import answer, drop_output, open_streams, remark, tell

VERBS = {
    "create": "create an embedding from words",
    "preprocess": "crop, split, flip and caption photographs for training",
    "check": "check images, captions and settings before a training",
    "train": "train an embedding on a folder of images",
    "sweep": "train with several values of settings, and compare the results",
    "hypernetwork": "create and train hypernetworks: modules in a model's attention",
    "compare": "compare the copies of a run, and find the best",
    "generate": "generate images with embeddings in the prompt",
    "inspect": "show what is in an embedding file, and its nearest words",
    "convert": "convert an embedding to the format of another program",
    "merge": "mix words and embeddings: \"'cat' * 0.7 + my-style\"",
    "scale": "make an embedding permanently weaker or stronger",
    "from-text": "save a prompt as an embedding",
    "diff": "show how two embeddings differ",
    "list": "list the embeddings in folders, and skipped files with the reason",
    "rename": "give an embedding another name, with all files that belong to it",
    "delete": "move embeddings to a bin, or bring them back from it",
    "label": "notes, description, licence and preview of an embedding",
    "restore": "restore an embedding that was replaced",
    "import-settings": "convert settings of A1111, kohya, diffusers or OneTrainer",
    "cache": "show the size of the latent cache, or empty it",
    "demo": "try it: teach the bundled small model a word in a minute",
}
"""Verb → what it does; the module of the same name, `_` for `-`, has `run(argv) -> exit code`."""
VERBS_GROUP = "ti.verbs"
"""Entry points of this group are verbs too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    open_streams()
    try:
        return _dispatch(arguments)
    except TIError as error:
        return tell(error)
    except KeyboardInterrupt:
        remark("\nstopped")
        return 130
    except BrokenPipeError:  # the reader of our output has gone, such as `head`
        drop_output()
        return 0


def _dispatch(arguments: list[str]) -> int:
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        answer(_usage())
        return 0
    if verb in ("-V", "--version"):
        answer(f"textual-inversion-studio {__version__}")
        return 0
    code: int = _module(verb).run(arguments[1:])
    return code


def _module(verb: str) -> ModuleType:
    if verb in VERBS:
        return importlib.import_module(f".{verb.replace('-', '_')}", __package__)
    others = _others()
    if verb not in others:
        known = [*VERBS, *others]
        raise ConfigError(
            f"there is no command {verb!r}", "", nearest(verb, known) or "see ti --help"
        )
    return others[verb].load()


def _others() -> dict[str, EntryPoint]:
    """Verbs of packages beside the core, such as the panel: modules with `run` and `HELP`."""
    return {found.name: found for found in entry_points(group=VERBS_GROUP)}


def _usage() -> str:
    verbs = VERBS | {name: found.load().HELP for name, found in _others().items()}
    lines = [f"  ti {verb:15} {text}" for verb, text in verbs.items()]
    return "\n".join(
        (
            "Textual Inversion Studio: teach Stable Diffusion a new word from a few images.",
            "",
            *lines,
            "",
            "ti COMMAND --help lists its options. A first training:",
            "",
            "  ti train --pretrained_model_name_or_path model.safetensors \\",
            "      --train_data_dir images --token_string my-cat --init_word cat",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
