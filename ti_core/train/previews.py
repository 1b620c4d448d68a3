"""Preview images: always the same prompts and seeds, so that copies can be compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.config import check_sides
from ..data.templates import fill, names_trigger
from ..errors import ConfigError, DataError, FileError, setting
from ..families import SIDE_STEP
from ..port.samplers import sampler_named
from ..port.session import PreviewRequest, TextOptions
from .config import BaseTrainConfig, PreviewConfig
from .prompt_files import PROMPT_FILES, lines_of_file

_LONGEST_SIDE = 4096
"""As `ti generate` makes them."""


def preview_requests(
    config: BaseTrainConfig, size: tuple[int, int], sampler: str
) -> list[PreviewRequest]:
    """What `sample_prompts` asks for; (width, height) is the training size. One without a prompt
    is for `with_prompt`.

    Raises ConfigError for an unknown option in a line, DataError for an unreadable file.
    """
    preview = config.preview
    base = PreviewRequest(
        prompt="",
        width=size[0],
        height=size[1],
        steps=preview.sample_steps,
        cfg_scale=preview.sample_cfg_scale,
        seed=preview.sample_seed,
        sampler=sampler,
        text=TextOptions(emphasis=True, clip_skip=config.text.clip_skip),
    )
    lines = prompt_lines(preview.sample_prompts)
    if not preview.sample_negative:
        return [request_of(line, base, config.name) for line in lines]
    _require_negative(config, lines)
    return [_in_negative(line, base, config.name) for line in lines]


def _require_negative(config: BaseTrainConfig, lines: Sequence[str]) -> None:
    name = setting("sample_negative")
    if not config.vectors:
        raise ConfigError(f"{name} is on, and no word is trained", "", f"leave {name} off")
    if not all(line.strip() for line in lines):
        why = f"without {setting('sample_prompts')} the prompt is that of the training"
        raise ConfigError(f"{name} needs prompts of its own", why, "give some, such as 'a photo'")


def _in_negative(line: str, base: PreviewRequest, name: str) -> PreviewRequest:
    """What a line asks for, with the word in its negative prompt alone."""
    negative = request_of(line, base, name).negative_prompt
    if not names_trigger(negative, name):
        negative = ", ".join(filter(None, [negative.strip(), name]))
    plain = request_of(line, base, "")
    return replace(plain, prompt=" ".join(plain.prompt.split()), negative_prompt=negative)


def without_words(request: PreviewRequest, names: Collection[str]) -> PreviewRequest:
    """The same request with these words taken out of its negative prompt."""
    parts = (part.strip() for part in request.negative_prompt.split(","))
    kept = [part for part in parts if not any(names_trigger(part, name) for name in names)]
    return replace(request, negative_prompt=", ".join(kept))


def requests_of_parts(
    parts: Sequence[BaseTrainConfig], size: tuple[int, int], sampler: str
) -> list[PreviewRequest]:
    """Those of each word of a run, by their lines; a line that is the same for all comes once."""
    each = [preview_requests(part, size, sampler) for part in parts]
    return [one for line in zip(*each, strict=True) for one in dict.fromkeys(line)]


def with_prompt(request: PreviewRequest, prompt: str, config: BaseTrainConfig) -> PreviewRequest:
    """A request without a prompt shows this one, of the training, as A1111 does: read as it was
    trained on."""
    if request.prompt.strip():
        return request
    text = TextOptions(config.text.parse_emphasis, config.text.clip_skip)
    return replace(request, prompt=prompt, text=text)


def prompts_file(text: str) -> Path | None:
    """The file that `sample_prompts` names; None where it holds the prompts themselves."""
    path = Path(os.path.expanduser(text))
    return path if path.suffix.lower() in PROMPT_FILES and "\n" not in text else None


def prompt_lines(text: str) -> list[str]:
    """Prompts, one per line, or those in the file that is named; one that is empty where there is
    none.

    Raises DataError for a file that cannot be read.
    """
    path = prompts_file(text)
    if path is None:
        return [line for line in text.split("\n") if line.strip()] or [text]
    try:
        return lines_of_file(path) or [""]
    except FileError as error:
        what = f"cannot read the preview prompts {text}"
        raise DataError(what, error.why, error.fix) from error


def request_of(line: str, base: PreviewRequest, name: str) -> PreviewRequest:
    """kohya's line: a prompt, then --n --w --h --d --l --s --ss with their values, and others that
    change nothing in these models. `name` takes the place of [name]. Raises ConfigError for an
    unknown option, a value of another kind, and what no image can have: a run would find out at
    its first preview."""
    prompt, *rest = line.split(" --")
    changes = dict(change for option in rest for change in _change(option))
    if "negative_prompt" in changes:
        changes["negative_prompt"] = fill(changes["negative_prompt"], name, "")
    request = replace(base, prompt=fill(prompt, name, ""), **changes)
    if changes:
        _require_possible(request, base)
    return request


def _require_possible(request: PreviewRequest, base: PreviewRequest) -> None:
    """The limits are those of the settings. A size that no line names is the model's."""
    sides = request.width, request.height
    if sides != (base.width, base.height):
        what = f"a preview of {sides[0]}x{sides[1]} pixels cannot be made"
        check_sides(what, sides, _LONGEST_SIDE)
    PreviewConfig(
        sample_steps=request.steps,
        sample_cfg_scale=request.cfg_scale,
        sample_seed=request.seed,
    )


def _side(text: str) -> int:
    """kohya takes sides down to multiples of 8."""
    side = int(text)
    return side - side % SIDE_STEP


_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "n": ("negative_prompt", str),
    "w": ("width", _side),
    "h": ("height", _side),
    "d": ("seed", int),
    "l": ("cfg_scale", float),
    "s": ("steps", int),
    "ss": ("sampler", sampler_named),
}
_WITHOUT_EFFECT = ("g", "cn", "ctr", "rcfg", "fs")
"""kohya's options for other kinds of models, whose line may be used here, too."""


def _change(option: str) -> Iterator[tuple[str, Any]]:
    """The field of the request that an option of a line sets, and its value."""
    letter, _, value = option.strip().partition(" ")
    letter = letter.lower()
    if letter in _WITHOUT_EFFECT and value:
        return
    try:
        field, kind = _OPTIONS[letter]
        if not value:
            raise ValueError(value)
        yield field, kind(value.strip())
        return
    except KeyError:
        why = f"--{letter:.100} is none of {', '.join(f'--{known}' for known in _OPTIONS)}"
    except ValueError:
        why = f"--{letter} has the value {value!r:.100}"
    raise ConfigError("a preview prompt cannot be read", why, f"see {setting('sample_prompts')}")
