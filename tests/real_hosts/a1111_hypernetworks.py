"""Hypernetworks of ours within a real AUTOMATIC1111, beside its own; what is found goes to a file.

python -m tests.real_hosts.a1111_hypernetworks FOLDER     # in its own interpreter
"""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image, ImageChops
from torch import Tensor
from torch.nn import functional

from ti_core.hypernetworks.applying import Applied
from ti_core.hypernetworks.reading import read_hypernetwork
from ti_core.hypernetworks.structure import WeightInit
from ti_core.hypernetworks.writing import write_hypernetwork
from ti_core.port.session import Host, PreviewRequest, Session, TextOptions
from ti_core.train.hypernetwork import attention_widths

_NEEDED = ("shared", "sd_hijack", "checkpoint")
GOLDEN = Path(__file__).parents[1] / "golden" / "hypernetworks.json"
WIDTH, MULTIPLIER = 8, 0.7
PROMPT, SEED, SIZE, STEPS, SCALE = "a tree", 5, 64, 4, 5.0


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad.clone()


class Step:
    """One step of training: noise, timestep, prompt and begin are the same for both trainers."""

    def __init__(self, program: Any, host: Host, folder: Path) -> None:
        self.program, self.host = program, host
        source = torch.Generator().manual_seed(0)
        self.latent, self.noise = (torch.randn(1, 4, 8, 8, generator=source) for _ in range(2))
        self.time = torch.tensor([400])
        with host.session() as session:
            self.widths = attention_widths(host.describe(), session)
        structure = {"layer_structure": [1, 2, 1], "activation_func": "swish"}
        init = {"enable_sizes": list(self.widths), "weight_init": "XavierNormal"}
        self.theirs = program.hypernetwork.Hypernetwork("zz-theirs", **structure, **init)
        self.file = folder / "zz-theirs.pt"
        self.theirs.save(str(self.file))

    def in_a1111(self) -> tuple[float, dict[str, Tensor]]:
        """As its `train_hypernetwork` computes it, through the model's own loss."""
        shared, hijack, checkpoint = (getattr(self.program, name) for name in _NEEDED)
        hijack.undo_optimizations()
        checkpoint.add()
        shared.loaded_hypernetworks = [self.theirs]
        self.theirs.train()
        for weight in self.theirs.weights():
            weight.requires_grad_()
        with torch.no_grad():
            context = shared.sd_model.cond_stage_model([PROMPT])
        loss = shared.sd_model.p_losses(self.latent, context, self.time, noise=self.noise)[0]
        loss.backward()
        found = {name: _gradient(each) for name, each in self._named()}
        shared.sd_model.zero_grad(set_to_none=True)
        self.theirs.eval()
        shared.loaded_hypernetworks = []
        checkpoint.remove()
        hijack.model_hijack.apply_optimizations()
        return float(loss.detach()), found

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        """Its tensors, under our names."""
        for width, pair in self.theirs.layers.items():
            for side, module in zip("kv", pair, strict=True):
                for name, tensor in module.named_parameters():
                    yield f"{width}.{side}.{name}", tensor

    def ours(self) -> tuple[float, dict[str, Tensor]]:
        """Through a session, on the file that A1111 has written."""
        begin = read_hypernetwork(self.file)
        tensors = {key: each.requires_grad_() for key, each in begin.tensors.items()}
        with self.host.session() as session:
            output = self.predict(session, Applied(begin.structure, tensors))
            loss = functional.mse_loss(output, self.noise)
            found = torch.autograd.grad(loss, list(tensors.values()))
        return float(loss.detach()), dict(zip(tensors, found, strict=True))

    def predict(self, session: Session, changes: Any = None) -> Tensor:
        """Of the noisy latent."""
        batch = self.host.describe().diffusion.noised(self.latent, self.noise, self.time)
        conditioning = session.encode_prompts([PROMPT], {})
        return session.predict(batch.noisy, batch.timesteps, conditioning, changes)

    def plain(self) -> Tensor:
        """What the network says where we ask for no hypernetwork."""
        with self.host.session() as session, torch.no_grad():
            return self.predict(session)


def compare_files(theirs: Any, folder: Path) -> dict[str, float]:
    """What is built like what → how far the outputs at 0.7 are apart, at most: of A1111's class, of
    ours on the file that it wrote, and of A1111's class on that file as we write it."""
    rows, inits = json.loads(GOLDEN.read_text()), get_args(WeightInit)
    found = {}
    for row, init in zip(rows, itertools.cycle(inits)):
        built = {"layer_structure": row["layers"], "activation_func": row["activation"]}
        extras = {"add_layer_norm": row["layer_norm"], "activate_output": row["activate_output"]}
        dropout = {"use_dropout": bool(row["dropout"]), "dropout_structure": row["dropout"] or None}
        made = theirs.Hypernetwork("zz", [WIDTH], weight_init=init, **built, **extras, **dropout)
        outputs = [_outputs(made)]
        made.save(str(folder / "theirs.pt"))
        read = read_hypernetwork(folder / "theirs.pt")
        outputs.append(Applied(read.structure, read.tensors, MULTIPLIER)(_context()))
        write_hypernetwork(folder / "ours.pt", read)
        again = theirs.Hypernetwork()
        again.load(str(folder / "ours.pt"))
        outputs.append(_outputs(again))
        first, *others = map(torch.stack, outputs)
        apart = max(float((first - other).abs().max()) for other in others)
        found[f"{read.structure.spelled}, {init}"] = apart
    return found


def _context() -> Tensor:
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def _outputs(made: Any) -> tuple[Tensor, Tensor]:
    keys, values = made.set_multiplier(MULTIPLIER).layers[WIDTH]
    return keys(_context()), values(_context())


class Program:
    """A1111's modules, and its pictures."""

    def __init__(self) -> None:
        names = ("processing", "sd_hijack", "shared", "sd_hijack_checkpoint")
        found: list[Any] = [importlib.import_module(f"modules.{name}") for name in names]
        self.processing, self.sd_hijack, self.shared, self.checkpoint = found
        self.hypernetwork: Any = importlib.import_module("modules.hypernetworks.hypernetwork")

    def picture(self, prompt: str) -> Image.Image:
        """As its txt2img page makes it."""
        asked = {"prompt": prompt, "seed": SEED, "steps": STEPS, "cfg_scale": SCALE}
        made = self.processing.StableDiffusionProcessingTxt2Img(
            sd_model=self.shared.sd_model,
            sampler_name="Euler",
            width=SIZE,
            height=SIZE,
            do_not_save_samples=True,
            do_not_save_grid=True,
            **asked,
        )
        image: Image.Image = self.processing.process_images(made).images[0]
        return image.convert("RGB")


def preview(host: Host, file: Path, multiplier: float) -> Image.Image:
    """The same picture by our session."""
    found = read_hypernetwork(file)
    request = PreviewRequest(
        PROMPT,
        width=SIZE,
        height=SIZE,
        steps=STEPS,
        cfg_scale=SCALE,
        seed=SEED,
        sampler="Euler",
        text=TextOptions(emphasis=True),
    )
    with host.session() as session:
        changes = Applied(found.structure, found.tensors, multiplier)
        return session.preview(request, {}, changes)[0]


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest of any pixel, of 255."""
    extrema: Any = ImageChops.difference(one, other).getextrema()  # of each channel
    return max(high for _, high in extrema)


def trained(host: Host, folder: Path, **changes: object) -> Path:
    """A hypernetwork that was trained into the program's own folder."""
    from tests.train.hypernetwork_runs import config
    from ti_core.train.loop import train

    settings = {"output_dir": str(host.hypernetworks_dir()), "resolution": (SIZE, SIZE), **changes}
    return train(config(folder, folder / "pictures", **settings), host)


def compare_steps(step: Step) -> dict[str, object]:
    """Losses, and how far each gradient is from A1111's, ÷ its largest number. Softmax takes no
    notice of what is the same for all keys, so that the last bias for keys has none but rounding:
    it is left out."""
    (loss, theirs), (ours_loss, ours) = step.in_a1111(), step.ours()
    silent = {f"{width}.k.linear.2.bias" for width in step.widths}
    far = {
        name: float((ours[name] - each).abs().max() / each.abs().max())
        for name, each in theirs.items()
        if name not in silent
    }
    largest = max(float(each.abs().max()) for each in theirs.values())
    told = {name: float(theirs[name].abs().max()) / largest for name in silent}
    names = ours.keys() == theirs.keys()
    return {"losses": [loss, ours_loss], "same tensors": names, "gradients": far, "silent": told}


def main(folder: Path) -> None:
    from tests.webui.program import load
    from ti_webui.hosts.choose import current_host

    load("sd1", folder)
    program, host = Program(), current_host()
    shared = program.shared
    Path(shared.cmd_opts.hypernetwork_dir).mkdir(parents=True, exist_ok=True)
    step, found = Step(program, host, folder), dict[str, object]()
    found["files"] = compare_files(program.hypernetwork, folder)
    found["step"] = compare_steps(step)

    plain, before = step.plain(), program.picture(PROMPT)
    shared.loaded_hypernetworks = active = [step.theirs]
    found["an active one is left out"] = bool(torch.equal(step.plain(), plain))
    found["and stays active"] = shared.loaded_hypernetworks is active
    shared.loaded_hypernetworks = []

    tag = f"{PROMPT} <hypernet:warm:0.7>"
    file = trained(host, folder, learning_rate="0.05", max_train_steps=3)
    picture = program.picture(tag)
    found["changes"] = difference(picture, before)
    found["preview"] = difference(picture, preview(host, file, 0.7))
    trained(host, folder, learning_rate="0.05", max_train_steps=6, overwrite=True)
    again = program.picture(tag)
    found["changes again"] = difference(again, picture)
    found["preview again"] = difference(again, preview(host, file, 0.7))
    found["afterwards"] = difference(program.picture(PROMPT), before)
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
