"""Settings of the dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError, setting
from ..families import SIDE_STEP
from ..options import check, group, newer, option, require_one, unrecorded

SHORTEST_SIDE, LONGEST_SIDE = 64, 2048
"""Sides in pixels that can be trained at."""

ResizeMode = Literal["cover", "stretch", "pad"]
TemplateChoice = Literal["step", "once"]
LatentSampling = Literal["once", "deterministic", "random"]
CaptionLines = Literal["auto", "all", "first"]
MaskScale = Literal["mean", "none"]


@dataclass(frozen=True)
class BucketConfig:
    """The sizes that images are trained at."""

    title = "Sizes"
    enable_bucket: bool = newer(
        False,
        "keep the shape of each image: it is resized to the bucket that fits it best, with "
        "about as many pixels as the resolution",
        label="Aspect-ratio buckets",
    )
    min_bucket_reso: int = newer(
        256,
        "shortest side of a bucket",
        label="Minimum bucket side",
        unit="px",
        limits=(64, 4096),
        advanced=True,
    )
    max_bucket_reso: int = newer(
        1024,
        "longest side of a bucket",
        label="Maximum bucket side",
        unit="px",
        limits=(64, 4096),
        advanced=True,
    )
    bucket_reso_steps: int = newer(
        64,
        f"sides of buckets are multiples of this, which is itself a multiple of {SIDE_STEP}",
        label="Bucket side steps",
        unit="px",
        limits=(SIDE_STEP, 512),
        advanced=True,
    )
    bucket_no_upscale: bool = newer(
        False,
        "do not enlarge images: a small one has a bucket of its own size; the limits of the "
        "sides do not apply",
        label="Never enlarge for a bucket",
        advanced=True,
    )
    varsize: bool = newer(
        False,
        f"train each image at its own size, cropped to multiples of {SIDE_STEP}; a batch has "
        "one size",
        label="Do not resize images",
    )

    def __post_init__(self) -> None:
        check(self)
        require_one(self, "enable_bucket", "varsize")
        if self.bucket_reso_steps % SIDE_STEP:
            raise ConfigError(
                f"{setting('bucket_reso_steps')} is {self.bucket_reso_steps}",
                f"one value of a latent covers {SIDE_STEP} pixels",
                f"give a multiple of {SIDE_STEP}",
            )
        if self.min_bucket_reso > self.max_bucket_reso:
            low, high = setting("min_bucket_reso"), setting("max_bucket_reso")
            raise ConfigError(f"{low} is larger than {high}", "", "swap them")


@dataclass(frozen=True)
class TagConfig:
    """What changes in captions from step to step."""

    title = "Caption variation"
    shuffle_caption: bool = newer(
        False,
        "shuffle the comma-separated tags of captions at each step",
        label="Shuffle tags by ',' when creating prompts",
    )
    keep_tokens: int = newer(
        0,
        "this many tags at the start keep their place and are never dropped",
        label="Keep tokens",
        limits=(0, None),
    )
    keep_tokens_separator: str = newer(
        "",
        "separator between tags that keep their place and those that are shuffled, such as "
        "'|||'; a second one starts tags that stay at the end; in a caption that contains it, "
        f"{setting('keep_tokens')} has no effect",
        label="Keep tokens separator",
        advanced=True,
    )
    caption_separator: str = newer(
        ",", "separator between tags", label="Caption separator", advanced=True
    )
    caption_tag_dropout_rate: float = newer(
        0.0,
        "probability of leaving out each tag at a step; the tag with the new word always stays",
        label="Drop out tags when creating prompts",
        limits=(0, 1),
    )
    caption_dropout_rate: float = newer(
        0.0,
        "probability of leaving out the whole caption at a step, except the new word",
        label="Caption dropout rate",
        limits=(0, 1),
    )
    caption_prefix: str = newer("", "words before every caption", label="Caption prefix")
    caption_suffix: str = newer("", "words after every caption", label="Caption suffix")
    insert_trigger: bool = newer(
        False,
        "put the new word in front of captions that lack it",
        label="Insert the name where it is missing",
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.caption_separator:
            raise ConfigError(f"{setting('caption_separator')} is empty", "", "leave it at ','")


@dataclass(frozen=True)
class DataConfig:
    """Where images and captions are, and how they are read."""

    title = "Dataset"
    train_data_dir: str = unrecorded(
        "",
        "folder with the images; captions are .txt files beside them",
        label="Dataset directory",
        path="input folder",
        aliases=("data_root",),
    )
    resolution: tuple[int, int] | None = option(
        None,
        f"training size: one number, or width,height; multiples of {SIDE_STEP}; the default is the "
        "model's own size",
        label="Width, Height",
        unit="px",
    )
    resize_mode: ResizeMode = option(
        "cover",
        "cover fills the size and crops what sticks out, stretch distorts (as A1111 does), "
        "pad adds a border",
        label="Resize mode",
    )
    caption_extension: str = option(
        ".txt",
        "extension of the caption files; the caption of an image without one is its file name",
        label="Caption extension",
        aliases=("caption_extention",),
        advanced=True,
    )
    prompt_template: str = unrecorded(
        "auto",
        "text file with one prompt per line, which can contain [name] and [filewords]; or such"
        " lines; or a built-in template: style, style_filewords, subject, subject_filewords, "
        "hypernetwork, none; 'captions' uses each caption as it is; 'auto' does so if every "
        "caption contains the name, and otherwise uses subject_filewords, or subject without "
        "captions",
        label="Prompt template",
        path="text file",
        aliases=("template_file",),
    )
    use_object_template: bool = option(
        False,
        "learn an object: the subject template, captions ignored",
        label="Use object template",
    )
    use_style_template: bool = option(
        False, "learn a style: the style template, captions ignored", label="Use style template"
    )
    template_choice: TemplateChoice = option(
        "step",
        "draw a template line again at each step, or once for each image (as A1111 does)",
        label="Template line drawn",
        advanced=True,
    )
    filename_word_regex: str = option(
        "",
        "keep only the parts of a file name that match (for images without caption file)",
        label="Filename word regex",
        advanced=True,
    )
    filename_join_string: str = option(
        " ", "text between those parts", label="Filename join string", advanced=True
    )
    latent_sampling_method: LatentSampling = option(
        "once",
        "once draws each image's latent at the start, deterministic takes the mean, "
        "random draws it again at each step",
        label="Latent sampling method",
        advanced=True,
    )

    reg_data_dir: str = unrecorded(
        "",
        "folder with regularization images, in subfolders named <repeats>_<words>; these "
        "words replace the new one in their prompts",
        label="Regularization directory",
        path="input folder",
        advanced=True,
    )
    prior_loss_weight: float = newer(
        1.0,
        "weight of the loss of regularization images",
        label="Prior loss weight",
        limits=(0, 100),
        advanced=True,
    )
    dataset_config: str = unrecorded(
        "",
        "kohya's dataset file (.toml or .json): several folders, each with its own settings, "
        f"which override those given here; {setting('train_data_dir')} and "
        f"{setting('reg_data_dir')} are not read",
        label="Dataset file",
        path="dataset file",
        advanced=True,
    )
    caption_lines: CaptionLines = newer(
        "auto",
        "lines to read from a caption file: all, as in A1111, or the first, as in kohya's "
        "scripts; 'auto' is 'first' for kohya's numbered folders and dataset files, and "
        "otherwise 'all'",
        label="Lines of a caption file",
        advanced=True,
    )
    flip_aug: bool = newer(
        False,
        "mirror each image in half of the steps; not for faces, lettering, anything one-sided",
        label="Flip augmentation",
    )
    color_aug: bool = newer(
        False,
        "sometimes change the hue or brightness of an image slightly; these images go "
        "through the VAE again, which takes time and memory",
        label="Colour augmentation",
        advanced=True,
    )
    masked_loss: bool = newer(
        False,
        "weight the loss with a mask, white counting most: the file NAME_mask.png beside "
        "NAME.png, otherwise the alpha channel of the image; an image without either has "
        "the same weight everywhere",
        label="Use PNG alpha channel as loss weight",
        aliases=("alpha_mask", "use_weight"),
    )
    mask_scale: MaskScale = newer(
        "mean",
        "mean scales each mask so that its darkest part is 0 and the mean is 1, as in A1111; "
        "none uses black as 0 and white as 1, as in kohya's scripts",
        label="Scale of masks",
        advanced=True,
    )
    skip_checkup: bool = unrecorded(
        False,
        "skip the check of images and captions before the training",
        label="Skip the checkup",
        advanced=True,
    )
    expected_data: str = unrecorded(
        "",
        "hash of the images and captions that an embedding was trained on (ti.data); other images "
        "or captions give a warning; settings loaded from an embedding contain it",
        label="Expected images",
        advanced=True,
    )
    sizes: BucketConfig = group(BucketConfig)
    tags: TagConfig = group(TagConfig)

    def __post_init__(self) -> None:
        check(self)
        require_one(self, "use_object_template", "use_style_template")
        if not re.fullmatch(r"\.[^/\\]+", self.caption_extension):
            raise ConfigError(
                f"{setting('caption_extension')} is {self.caption_extension!r}",
                "",
                "write it like '.txt'",
            )
        _check_resolution(self.resolution)


def _check_resolution(size: object) -> None:
    if size is None:
        return
    text = "x".join(map(str, size)) if isinstance(size, tuple) else repr(size)
    whole = isinstance(size, tuple) and len(size) == 2 and all(type(side) is int for side in size)
    check_sides(
        f"{setting('resolution')} is {text}", size if isinstance(size, tuple) and whole else (0, 0)
    )


def check_sides(what: str, sides: tuple[int, int], longest: int = LONGEST_SIDE) -> None:
    """Raise ConfigError, which begins with `what`, unless an image can have these sides."""
    if any(side % SIDE_STEP or not SHORTEST_SIDE <= side <= longest for side in sides):
        fix = f"give width and height, multiples of {SIDE_STEP} from {SHORTEST_SIDE} to {longest}"
        raise ConfigError(what, "", fix)
