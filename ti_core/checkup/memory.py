"""Memory that a training takes: a sum of four parts, good to about a quarter."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import setting
from ..families import MemoryNeeds
from .disk import spelled
from .finding import Finding, unchecked
from .inputs import CheckupInput
from .survey import Survey

OTHER = 1_000_000_000
"""The program itself, the device's own libraries, and what is needed for a moment."""


PACKED_PIXELS = 1 << 20
"""Of a batch, up to which a U-Net has layers with few enough positions for packed weights."""


def packed(needs: MemoryNeeds, pixels: int, half: bool) -> int:
    """Bytes that packed weights of a model take, of which there are two kinds of each; `pixels` of
    a whole batch. At most: large images use a part of them."""
    if half:
        return 2 * 2 * needs.large
    return 2 * 4 * needs.large if pixels <= PACKED_PIXELS else 0


def estimate(
    needs: MemoryNeeds,
    pixels: int,
    batch: int,
    half: bool,
    packs: int = 0,
    checkpointing: bool = False,
) -> tuple[int, str]:
    """(bytes, the sum in words) for training with `batch` images of `pixels` each at once.

    Weights are stored in what they are computed in, as by the standalone host. Of a text encoder
    some stay fp32 at half precision; the VAE, which does as well, is released by then.
    `packs`: bytes of packed weights; `checkpointing`: of gradients, which keeps less.
    """
    weights = (2 if half else 4) * (needs.network + needs.rest)
    each = needs.checkpointed if checkpointing else needs.kept
    kept = each * pixels * batch // (2 if half else 1)
    parts = [f"{spelled(weights)} weights"]
    parts += [f"{spelled(packs)} of them packed for the processor"] if packs else []
    parts += [f"{spelled(kept)} for {batch} image(s) of {pixels:,} pixels"]
    parts += [f"{spelled(OTHER)} for the rest"]
    return weights + packs + kept + OTHER, " + ".join(parts)


def ladder(
    needs: MemoryNeeds, pixels: int, batch: int, half: bool, checkpointing: bool, packs: int = 0
) -> tuple[tuple[str, int], ...]:
    """(what is done in place of what the settings say, bytes that the run needs then), in the order
    in which a run does it when memory runs out."""
    first, second = setting("gradient_checkpointing"), "one image of a batch at once"
    rows = [] if checkpointing else [(first, batch)]
    if batch > 1:
        rows.append((second if checkpointing else f"{first} and {second}", 1))
    return tuple(
        (what, estimate(needs, pixels, count, half, packs, True)[0]) for what, count in rows
    )


def memory(survey: Survey, inputs: CheckupInput) -> Iterator[Finding]:
    """The estimate beside what is free."""
    if not inputs.memory:
        if inputs.max_steps:
            fix = "" if inputs.tokenize else f"give {setting('pretrained_model_name_or_path')}"
            yield unchecked("memory", "memory; it can be estimated for full-size models only", fix)
        return
    yield Finding(
        "memory",
        "note",
        f"needs about {spelled(inputs.memory)}: {inputs.memory_formula}",
        "; ".join(f"with {what} about {spelled(size)}" for what, size in inputs.memory_ladder),
    )
    if inputs.memory_free is not None and inputs.memory > inputs.memory_free:
        yield Finding(
            "memory_short",
            "warning",
            f"about {spelled(inputs.memory)} are needed, "
            f"and {spelled(inputs.memory_free)} are free",
            _when_short(inputs),
            f"use a smaller batch or resolution{_other_precision(inputs)}",
        )


def _when_short(inputs: CheckupInput) -> str:
    if not inputs.memory_ladder:
        return "training may end with an out-of-memory error; the estimate is rough"
    _, size = inputs.memory_ladder[-1]
    return (
        "the estimate is rough; when memory runs out, training continues with "
        f"{inputs.memory_ladder[0][0]}, and needs about {spelled(size)} at the least"
    )


def _other_precision(inputs: CheckupInput) -> str:
    """Only where it takes less: packed weights, which half precision has more of, count as well."""
    if inputs.memory_otherwise >= inputs.memory:
        return ""
    return f", or {setting('mixed_precision')} {'no' if inputs.half else 'fp16'}"
