"""Settings of preprocessing: labels and defaults are those of A1111's "Preprocess images" tab.

A1111 removed the tab in December 2023 (commit 11d23e8c); its argument names are accepted as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...errors import ConfigError, setting
from ...families import SIDE_STEP
from ...options import Checked, check, group, option, require_order
from ..config import ResizeMode

SplitRule = Literal["tiles", "two"]
Objective = Literal["Maximize area", "Minimize error"]
ExistingCaption = Literal["auto", "ignore", "copy", "prepend", "append"]


@dataclass(frozen=True)
class SplitConfig(Checked):
    """How long images are split into tiles."""

    title = "Split oversized images"
    split: bool = option(
        False,
        "split long images into several that overlap",
        label="Split oversized images",
        aliases=("process_split",),
    )
    split_rule: SplitRule = option(
        "tiles",
        "tiles: as many as needed, evenly spaced; two: the start and the end of images longer "
        "than 1.35 to 1, as A1111 did in 2022",
        label="Split rule",
        advanced=True,
    )
    split_threshold: float = option(
        0.5,
        "tiles: split if the short side, in the shape of the target, is at most this fraction "
        "of the long one",
        label="Split image threshold",
        limits=(0, 1),
    )
    overlap_ratio: float = option(
        0.2,
        "tiles: minimum overlap of neighbouring tiles",
        label="Split image overlap ratio",
        limits=(0, 0.9),
    )


@dataclass(frozen=True)
class FocalConfig(Checked):
    """What the focal point of an image is found by."""

    title = "Auto focal point crop"
    focal_crop: bool = option(
        False,
        "crop around the focal point instead of the centre; for images that are not square",
        label="Auto focal point crop",
        aliases=("process_focal_crop",),
    )
    focal_crop_face_weight: float = option(
        0.9,
        "weight of faces, which are found by OpenCV if it is installed",
        label="Focal point face weight",
        limits=(0, 1),
        aliases=("process_focal_crop_face_weight",),
    )
    focal_crop_entropy_weight: float = option(
        0.15,
        "weight of the area with the most tones",
        label="Focal point entropy weight",
        limits=(0, 1),
        aliases=("process_focal_crop_entropy_weight",),
    )
    focal_crop_edges_weight: float = option(
        0.5,
        "weight of corners and edges",
        label="Focal point edges weight",
        limits=(0, 1),
        aliases=("process_focal_crop_edges_weight",),
    )
    focal_crop_debug: bool = option(
        False,
        "save drawings of what was found, in a subfolder of the destination",
        label="Create debug image",
        aliases=("process_focal_crop_debug",),
    )


@dataclass(frozen=True)
class AutosizeConfig:
    """Which sizes an auto-sized crop may have."""

    title = "Auto-sized crop"
    multicrop: bool = option(
        False,
        "crop each image to a size close to its own shape, with sides that are multiples of 64",
        label="Auto-sized crop",
        aliases=("process_multicrop",),
    )
    multicrop_mindim: int = option(
        384,
        "smallest side",
        label="Dimension lower bound",
        unit="px",
        limits=(64, 2048),
        aliases=("process_multicrop_mindim",),
    )
    multicrop_maxdim: int = option(
        768,
        "largest side",
        label="Dimension upper bound",
        unit="px",
        limits=(64, 2048),
        aliases=("process_multicrop_maxdim",),
    )
    multicrop_minarea: int = option(
        64 * 64,
        "smallest area",
        label="Area lower bound",
        unit="px",
        limits=(64 * 64, 2048 * 2048),
        aliases=("process_multicrop_minarea",),
    )
    multicrop_maxarea: int = option(
        640 * 640,
        "largest area",
        label="Area upper bound",
        unit="px",
        limits=(64 * 64, 2048 * 2048),
        aliases=("process_multicrop_maxarea",),
    )
    multicrop_objective: Objective = option(
        "Maximize area",
        "which of the sizes within the threshold to use",
        label="Resizing objective",
        aliases=("process_multicrop_objective",),
    )
    multicrop_threshold: float = option(
        0.1,
        "maximum change of the shape: 0.1 crops at most a tenth",
        label="Error threshold",
        limits=(0, 1),
        aliases=("process_multicrop_threshold",),
    )

    def __post_init__(self) -> None:
        check(self)
        require_order(self, "multicrop_mindim", "multicrop_maxdim")
        require_order(self, "multicrop_minarea", "multicrop_maxarea")


@dataclass(frozen=True)
class CaptionConfig:
    """Where the captions of the new images come from."""

    title = "Captions"
    existing_caption: ExistingCaption = option(
        "auto",
        "what to do with a caption file beside the source image: ignore it, copy it instead "
        "of making a new caption, or put it before or after the new one; auto copies it unless"
        " new captions are made, and otherwise ignores it",
        label="Existing Caption txt Action",
        aliases=("preprocess_txt_action",),
    )
    blip_model: str = option(
        "",
        "caption the images with this BLIP model: a folder, or the name of one that was "
        "downloaded before; needs transformers; nothing is downloaded",
        label="BLIP model",
        path="model",
    )
    blip_min_length: int = option(
        24,
        "minimum length of BLIP's captions",
        label="BLIP: minimum description length",
        unit="tokens",
        limits=(1, 128),
    )
    blip_max_length: int = option(
        48,
        "maximum length of BLIP's captions",
        label="BLIP: maximum description length",
        unit="tokens",
        limits=(1, 256),
    )
    blip_num_beams: int = option(
        1,
        "number of beams in BLIP's search; more is slower",
        label="BLIP: num_beams",
        limits=(1, 16),
        advanced=True,
    )
    tags_dir: str = option(
        "",
        "folder with a tagger's .txt file for each image; its tags come after BLIP's caption",
        label="Tagger's folder",
        path="input folder",
    )
    tags_use_spaces: bool = option(
        True, "replace underscores in tags by spaces", label="deepbooru: use spaces in tags"
    )
    tags_sort: bool = option(False, "sort tags alphabetically", label="deepbooru: sort tags")
    tags_escape: bool = option(
        False,
        "put a backslash before brackets, for programs that would read them as emphasis; here "
        "captions are literal",
        label="deepbooru: escape () brackets",
        advanced=True,
    )
    caption_in_name: bool = option(
        False,
        "put the caption into the file name of the image, as A1111 did in 2022, instead of a"
        " .txt file",
        label="Caption in the file name",
        advanced=True,
    )

    def __post_init__(self) -> None:
        check(self)
        require_order(self, "blip_min_length", "blip_max_length")

    def decided(self, described: bool) -> CaptionConfig:
        """With "auto" as what it means where new captions are made, or are not."""
        if self.existing_caption != "auto":
            return self
        return replace(self, existing_caption="ignore" if described else "copy")


@dataclass(frozen=True)
class PreprocessConfig:
    """Everything about preprocessing, except for its folders."""

    title = "Images"
    width: int = option(
        512,
        f"of the result, a multiple of {SIDE_STEP}",
        label="Width",
        unit="px",
        limits=(64, 2048),
        aliases=("process_width",),
    )
    height: int = option(
        512,
        f"of the result, a multiple of {SIDE_STEP}",
        label="Height",
        unit="px",
        limits=(64, 2048),
        aliases=("process_height",),
    )
    resize_mode: ResizeMode = option(
        "cover",
        "if nothing else is requested: cover fills the size and crops what sticks out, "
        "stretch distorts, pad adds a border",
        label="Resize mode",
    )
    keep_original_size: bool = option(
        False,
        "write each image in its own size as well",
        label="Keep original size",
        aliases=("process_keep_original_size",),
    )
    flip: bool = option(
        False,
        "write each image mirrored as well; not for faces, writing, tattoos or anything else "
        "whose left and right differ",
        label="Create flipped copies",
        aliases=("process_flip",),
    )
    split_images: SplitConfig = group(SplitConfig)
    focal_point: FocalConfig = group(FocalConfig)
    auto_size: AutosizeConfig = group(AutosizeConfig)
    captions: CaptionConfig = group(CaptionConfig)

    def __post_init__(self) -> None:
        check(self)
        for name in ("width", "height"):
            if getattr(self, name) % SIDE_STEP:
                raise ConfigError(
                    f"{setting(name)} is {getattr(self, name)}",
                    f"the model needs multiples of {SIDE_STEP}",
                    f"try {getattr(self, name) // SIDE_STEP * SIDE_STEP}",
                )
