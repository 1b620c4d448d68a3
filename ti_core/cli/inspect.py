"""`ti inspect`: what is in the file of an embedding or a hypernetwork."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, EmbeddingError
from ..families import OUTPUT, label_of
from ..files.notes import TRIGGER
from ..options import Checked, make_config, option
from .options import OptionParser, path_argument
from .plain import plain
from .standalone import ModelConfig, open_host
from .telling import answer, for_each

if TYPE_CHECKING:
    from ..files.embedding import Embedding
    from ..files.plain_embedding import PlainEmbedding
    from ..hypernetworks.hypernetwork import Hypernetwork
    from ..port.session import Host, Session

_Facts = dict[str, Any]
"""About an embedding, as JSON values."""
_ABOUT = """Show what is in files of embeddings and hypernetworks, whichever program wrote them.
Nothing in them is executed. With a model: the strength of each vector compared with an ordinary
word, and its nearest words."""


@dataclass(frozen=True)
class InspectConfig(Checked):
    """What is printed of each file."""

    title = "Output"
    json: bool = option(False, "print JSON, one object for each embedding", label="JSON")
    nearest: int = option(
        5, "number of nearest words per vector", label="Nearest words", limits=(0, 100)
    )


def parser() -> OptionParser:
    """All options of `ti inspect`."""
    usage = "FILE... [--pretrained_model_name_or_path MODEL] [options]"
    made = OptionParser("ti inspect", _ABOUT, InspectConfig, ModelConfig, usage=usage)
    made.add_argument("files", nargs="*", type=path_argument, metavar="FILE", help="embedding file")
    return made


def run(argv: Sequence[str]) -> int:
    """Inspect; returns the exit code."""
    typed = parser().read(argv)
    if not typed["files"]:
        raise ConfigError("no file is given", "", "write ti inspect FILE")
    config, model = make_config(InspectConfig, typed), make_config(ModelConfig, typed)
    with ExitStack() as stack:
        about = _opened(model, config.nearest, stack)
        return for_each(map(Path, typed["files"]), lambda path: _show(path, about, config))


def _opened(model: ModelConfig, nearest: int, stack: ExitStack) -> _ModelFacts | None:
    if not model.pretrained_model_name_or_path:
        return None
    host = open_host(model)
    return _ModelFacts(host, stack.enter_context(host.session()), nearest)


def _show(path: Path, about: _ModelFacts | None, config: InspectConfig) -> None:
    from ..files.plain_embedding import read_plain

    plain_one = None if about else read_plain(path)
    if plain_one:
        _tell(plain_facts(plain_one, path), config)
    else:
        _look_closer(path, about, config)


def _look_closer(path: Path, about: _ModelFacts | None, config: InspectConfig) -> None:
    """With torch, which takes a second to load."""
    from ..files.reading import read_embeddings
    from ..hypernetworks.reading import is_hypernetwork, read_hypernetwork

    if is_hypernetwork(path):
        network = hypernetwork_facts(read_hypernetwork(path), path)
        answer(json.dumps(network) if config.json else "\n".join(map(plain, _told(network))))
        return
    for embedding in read_embeddings(path):
        _tell(embedding_facts(embedding, path) | (about.of(embedding) if about else {}), config)


def _tell(found: _Facts, config: InspectConfig) -> None:
    answer(json.dumps(found) if config.json else "\n".join(map(plain, _spelled(found))))


def plain_facts(embedding: PlainEmbedding, path: Path) -> _Facts:
    """As `embedding_facts`."""
    return {
        "name": embedding.name,
        "file": str(path),
        "vectors": max(map(len, embedding.norms.values())),
        "widths": embedding.widths,
        "family": label_of(embedding.widths) or "unknown",
        "step": embedding.step,
        "norms": embedding.norms,
        "trigger": embedding.metadata.get(TRIGGER, ""),
        "metadata": embedding.metadata,
    }


def embedding_facts(embedding: Embedding, path: Path) -> _Facts:
    """Name, shape, step, norms and origin of an embedding, as JSON values."""
    from ..files.embedding import widths_of
    from ..train.vectors import norms

    widths = widths_of(embedding.vectors)
    return {
        "name": embedding.name,
        "file": str(path),
        "vectors": embedding.count,
        "widths": widths,
        "family": label_of(widths) or "unknown",
        "step": embedding.step,
        "norms": norms(embedding.vectors),
        "trigger": embedding.metadata.get(TRIGGER, ""),
        "metadata": embedding.metadata,
    }


def hypernetwork_facts(hypernetwork: Hypernetwork, path: Path) -> _Facts:
    """Name, structure, step and origin of a hypernetwork, as JSON values."""
    from ..hypernetworks.hypernetwork import models_of

    structure = hypernetwork.structure
    return {
        "kind": "hypernetwork",
        "name": hypernetwork.name,
        "file": str(path),
        "widths": list(hypernetwork.widths),
        "family": models_of(hypernetwork.widths),
        "numbers": hypernetwork.numbers,
        "step": hypernetwork.step,
        **dataclasses.asdict(structure),
        "structure": structure.spelled,
        "weight_init": hypernetwork.weight_init,
        "base_model": hypernetwork.base_model,
        "base_hash": hypernetwork.base_hash,
        "optional_info": hypernetwork.optional_info,
        "only_a1111": structure.only_a1111(),
        "metadata": hypernetwork.metadata,
    }


def _told(found: _Facts) -> Iterator[str]:
    widths = ", ".join(map(str, found["widths"]))
    yield f"{found['name']}: hypernetwork for the widths {widths} ({found['family']})"
    yield f"  {found['structure']}, {found['numbers']:,} numbers, step {found['step']}"
    yield f"  weights initialized as {found['weight_init']}"
    if found["base_model"]:
        yield f"  made on {found['base_model']} [{found['base_hash']}]"
    if found["optional_info"]:
        yield f"  {found['optional_info']}"
    why = found["only_a1111"]
    yield (
        f"  only AUTOMATIC1111 reads it correctly: {why}"
        if why
        else "  for AUTOMATIC1111 and ComfyUI"
    )


class _ModelFacts:
    """What a model tells about embeddings."""

    def __init__(self, host: Host, session: Session, nearest: int) -> None:
        from ..tools.vocabulary import median_lengths

        self.host, self.session, self.nearest = host, session, nearest
        self.medians = median_lengths(host.describe(), session)

    def of(self, embedding: Embedding) -> _Facts:
        """Strength and neighbours; for an embedding of another family, why there are none."""
        from ..files.base_model import other_base
        from ..files.embedding import for_encoders
        from ..tools.nearest import about_words, nearest_tokens
        from ..tools.strength import strength_of

        try:
            vectors = for_encoders(embedding, self.host.describe().widths, embedding.name)
        except EmbeddingError as error:
            return {"misfit": str(error)}
        found = strength_of(vectors, self.medians)
        near = nearest_tokens(vectors, self.host, self.session, self.nearest)
        return {
            "other_base": [str(notice) for notice in other_base(embedding, self.host.describe())],
            "same_words": [str(notice) for notice in about_words(embedding.step, near)],
            "strength": {"verdict": found.verdict, "ratios": found.ratios},
            "nearest": {
                key: [[dataclasses.asdict(each) for each in row] for row in rows]
                for key, rows in near.items()
            },
        }


def _spelled(found: _Facts) -> Iterator[str]:
    widths = ", ".join(f"{key} {width} wide" for key, width in found["widths"].items())
    counts = {key: len(lengths) for key, lengths in found["norms"].items()}
    several = ", ".join(f"{key} {count}" for key, count in counts.items())
    count = f"{found['vectors']}" if len(set(counts.values())) == 1 else several
    family, step = found["family"], found["step"]
    made_for = "unknown family" if family == "unknown" else family
    yield f"{found['name']}: {count} vector(s), {widths} ({made_for}), step {step}"
    outputs = [key for key in found["widths"] if key.endswith(OUTPUT)]
    if outputs:
        yield f"  {', '.join(outputs)}: for the encoder's output; only OneTrainer uses such vectors"
    if found["trigger"] not in ("", found["name"]):
        yield f"  its maker's trigger is {found['trigger']}"
    model = found["metadata"].get("ti.base_model")
    if model:
        yield f"  made on {model} [{found['metadata'].get('ti.base_model_hash', '')}]"
    for warning in (*found.get("other_base", ()), *found.get("same_words", ())):
        yield f"  warning: {warning}"
    if "strength" in found:
        yield from _spelled_strength(found)
    else:
        for key, lengths in found["norms"].items():
            yield f"  {key} lengths: {', '.join(f'{n:.3g}' for n in lengths)}"
    if "misfit" in found:
        yield f"  {found['misfit']}"


def _spelled_strength(found: _Facts) -> Iterator[str]:
    from ..tools.strength import VERDICTS

    word = found["strength"]["verdict"]
    yield f"  strength {word}: {VERDICTS[word]}"
    for key, ratios in found["strength"]["ratios"].items():
        lengths = found["norms"].get(key) or next(iter(found["norms"].values()))
        rows = zip(lengths, ratios, found["nearest"][key], strict=True)
        for number, (length, ratio, near) in enumerate(rows):
            words = ", ".join(f"{each['text']} {each['cosine']:.2f}" for each in near) or "–"
            told = f"length {length:.3g}, {ratio:.2f} × an ordinary word's"
            yield f"  {key} {number}: {told}; nearest: {words}"
