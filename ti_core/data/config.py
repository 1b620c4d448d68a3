"""Settings of the dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigError
from ..options import check, option


@dataclass(frozen=True)
class DataConfig:
    """Dataset"""

    train_data_dir: str = option(
        "",
        "folder with the pictures; captions lie beside them as .txt files",
        label="Dataset directory",
        aliases=("data_root",),
        recorded=False,
    )
    resolution: tuple[int, int] | None = option(
        None,
        "size to train at: one number, or width,height; multiples of 8; "
        "without it, the size that the model was made for",
        label="Width, Height",
        unit="px",
    )
    resize_mode: str = option(
        "cover",
        "cover fills the size and crops what sticks out, stretch distorts (as A1111 does), "
        "pad adds a border",
        label="Resize mode",
        choices=("cover", "stretch", "pad"),
    )
    caption_extension: str = option(
        ".txt",
        "ending of the caption files; a picture without one is described by its file name",
        label="Caption extension",
        advanced=True,
    )
    prompt_template: str = option(
        "auto",
        "text file with one prompt a line, [name] and [filewords] in it, or one that comes with "
        "the program: style, style_filewords, subject, subject_filewords, hypernetwork, none; "
        "'captions' uses each caption as it is; 'auto' does so when every caption names the "
        "embedding, and else uses subject_filewords, or subject where there are no captions",
        label="Prompt template",
        aliases=("template_file",),
        recorded=False,
    )
    use_object_template: bool = option(
        False,
        "learn a thing: the subject template, captions ignored",
        label="Use object template",
    )
    use_style_template: bool = option(
        False, "learn a style: the style template, captions ignored", label="Use style template"
    )
    template_choice: str = option(
        "step",
        "draw a template line anew at each step, or once for each picture (as A1111 does)",
        label="Template line drawn",
        choices=("step", "once"),
        advanced=True,
    )
    filename_word_regex: str = option(
        "",
        "keep only the parts of a file name that match (for pictures without caption file)",
        label="Filename word regex",
        advanced=True,
    )
    filename_join_string: str = option(
        " ", "what joins those parts", label="Filename join string", advanced=True
    )
    latent_sampling_method: str = option(
        "once",
        "once draws each picture's latent at the start, deterministic takes the mean, "
        "random draws it anew at each step",
        label="Latent sampling method",
        choices=("once", "deterministic", "random"),
        advanced=True,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.use_object_template and self.use_style_template:
            raise ConfigError(
                "use_object_template and use_style_template are both set", "", "choose one"
            )
        if not re.fullmatch(r"\.[^/\\]+", self.caption_extension):
            raise ConfigError(
                f"caption_extension is {self.caption_extension!r}", "", "write it like '.txt'"
            )
        _check_resolution(self.resolution)


def _check_resolution(size: object) -> None:
    if size is None:
        return
    whole = isinstance(size, tuple) and len(size) == 2 and all(type(side) is int for side in size)
    if not whole or any(side % 8 or not 64 <= side <= 2048 for side in size):  # type: ignore[attr-defined]
        text = "x".join(map(str, size)) if isinstance(size, tuple) else repr(size)
        raise ConfigError(
            f"resolution is {text}", "", "give width and height, multiples of 8 from 64 to 2048"
        )
