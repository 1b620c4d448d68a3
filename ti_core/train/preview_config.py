"""Settings of the preview images of a run."""

from __future__ import annotations

from dataclasses import dataclass

from ..options import Checked, unrecorded

LINE_OPTIONS = (
    "a line can end with kohya's --n negative --w width --h height --d seed --l scale --s steps "
    "--ss sampler"
)
PROMPTS = (
    "prompts of the previews, one per line, or a file with them (.txt, or kohya's .toml and "
    f".json); if empty, the training prompt of the step is used, as in A1111; {LINE_OPTIONS}"
)
"""Help of the preview prompts, and what it says of a line."""


@dataclass(frozen=True)
class PreviewConfig(Checked):
    """The preview images of a run."""

    title = "Previews"
    sample_every_n_steps: int = unrecorded(
        500,
        "make preview images every N steps; 0 disables",
        label="Save an image to log directory every N steps, 0 to disable",
        unit="steps",
        limits=(0, None),
        aliases=("validation_steps",),
    )
    sample_every_n_epochs: int = unrecorded(
        0,
        "make preview images at the end of every Nth epoch, in place of every N steps; 0 leaves "
        "it to the steps",
        label="Preview every N epochs",
        unit="epochs",
        limits=(0, None),
        aliases=("validation_epochs",),
        advanced=True,
    )
    sample_at_first: bool = unrecorded(
        True,
        "make previews before the first step as well, for comparison",
        label="Preview before training",
    )
    sample_at_last: bool = unrecorded(
        False,
        "make previews after the last step as well, whatever its number, unless previews are off",
        label="Preview after training",
        advanced=True,
    )
    sample_prompts: str = unrecorded(
        "a picture of [name]",
        PROMPTS,
        label="Preview prompt",
        path="text file",
        aliases=("validation_prompt",),
    )
    save_image_with_stored_embedding: bool = unrecorded(
        False,
        "save the first preview after each new copy as a card, an image that contains the "
        "embedding, in the folder image_embeddings",
        label="Save images with embedding in PNG chunks",
    )
    sample_beside: bool = unrecorded(
        False,
        "show the same image without the embedding on the left of each preview",
        label="Preview with and without",
        advanced=True,
    )
    sample_negative: bool = unrecorded(
        False,
        "for a negative embedding: put the new word into the negative prompt of each preview, in "
        "place of [name] in its prompt, and show at its left the same image without the word",
        label="Preview in the negative prompt",
        advanced=True,
    )
    sample_steps: int = unrecorded(
        20, "sampling steps", label="Sampling steps", limits=(1, 150), advanced=True
    )
    sample_cfg_scale: float = unrecorded(
        7.0, "CFG scale", label="CFG Scale", limits=(1, 30), advanced=True
    )
    sample_seed: int = unrecorded(
        0, "seed of the previews", label="Preview seed", limits=(0, None), advanced=True
    )
    sample_sampler: str = unrecorded(
        "",
        "sampler; the default is the first one in the list of samplers",
        label="Sampler",
        advanced=True,
    )
