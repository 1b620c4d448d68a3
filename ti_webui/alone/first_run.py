"""The first run: a word for the demo model, to see what the page does before anything is chosen."""

from __future__ import annotations

import shutil
from pathlib import Path

import gradio as gr

from ti_core.cli.standalone import DEMO
from ti_core.data.pictures import pictures_in
from ti_core.demo.assets import pictures_folder
from ti_core.demo.job import DemoConfig, training_of
from ti_core.demo.scene import HELD_OUT
from ti_core.errors import HostError
from ti_core.files.atomic import make_folder, storage_errors
from ti_core.options import SettingValues, flat

from .. import markup
from ..dropped import Dropped
from ..gradio_versions import Updates, component, html, on
from ..job import Job
from ..job_view import errors_first
from ..studio import Studio
from .models import Shelf

_CONCEPT = HELD_OUT[DemoConfig().concept]
_EVERY = 25
"""Steps between previews."""
_ABOUT = (
    "New here? A small model comes with the program. Teach it a word from five images, in about "
    "a minute and without a graphics card; then try the word in an image."
)
_FILLED_IN = (
    f"The demo model is loaded, and the form is filled in: the word {_CONCEPT.name}, and five "
    f"images of {_CONCEPT.sentence}. Press Train Embedding."
)
_TAKEN = ("token_string", "init_word", "num_vectors_per_token", "train_data_dir", "skip_checkup")
_LEARNING = (
    *("optimizer_type", "learning_rate", "lr_scheduler", "max_train_steps", "mixed_precision"),
    *("train_batch_size", "gradient_accumulation_steps", "min_timestep", "final_min_timestep"),
    *("init_trial_steps", "save_every_n_steps", "timestep_sampling", "min_snr_gamma"),
    *("early_stopping", "early_stopping_patience"),
)


class FirstRun:
    """What the button does."""

    def __init__(self, studio: Studio, shelf: Shelf) -> None:
        self.studio, self.shelf = studio, shelf

    def is_due(self) -> bool:
        """Whether nothing has been trained, and no model of the user's own is loaded."""
        own = self.shelf.host is not None and not self.shelf.is_demo
        return not (own or self.studio.jobs.latest_of("train") or self.studio.library().entries)

    def look(self, seen: bool | None) -> Updates:
        """[what was seen now, update of the place, of what was said]"""
        due = self.is_due()
        if due == seen:
            return [due, gr.update(), gr.update()]
        return [due, gr.update(visible=due), gr.update() if due else gr.update(value="")]

    def press(self) -> Updates:
        """[what to say, an update for each component of Train's form]: the demo model is loaded,
        its images are a dataset of the program's, and the form trains on them."""
        self._load()
        form = self.studio.shared.form if self.studio.shared else None
        assert form is not None, "Train is built before this is pressed"
        return [markup.box("good", _FILLED_IN), *form.updates(self.settings())]

    def _load(self) -> None:
        def work(job: Job) -> Path | None:
            self.shelf.load(DEMO, False, job)
            return None

        if self.shelf.host is None:
            job = self.studio.start("model", DEMO, work)
            job.wait()
            if job.failure or self.shelf.host is None:
                raise job.failure or HostError("the demo model was not loaded", job.progress.error)

    def settings(self) -> SettingValues:
        """Those of `make demo`, with previews."""
        folder = self._pictures()
        demo = flat(training_of(DemoConfig(train_data_dir=str(folder)), _CONCEPT, folder))
        return {
            **{name: demo[name] for name in (*_TAKEN, *_LEARNING)},
            "skip_checkup": True,  # they are drawn
            "sample_every_n_steps": _EVERY,
            "sample_prompts": _CONCEPT.preview,
        }

    def _pictures(self) -> Path:
        """A copy, so that captions can be edited."""
        here, there = pictures_folder(_CONCEPT.name), Dropped(self.studio).home() / _CONCEPT.name
        if not (there.is_dir() and any(pictures_in(there))):
            make_folder(there)
            with storage_errors(there):
                for path in sorted(here.iterdir()):
                    shutil.copyfile(path, there / path.name)
        return there


def build(studio: Studio, shelf: Shelf) -> None:
    """Fill the place above the tabs; what it fills in is bound when Train is there."""
    does = FirstRun(studio, shelf)
    with gr.Row(visible=False, elem_id="ti_first_run") as place:
        gr.HTML(markup.box("hint", _ABOUT))
        looks = {"variant": "primary", "scale": 0, "min_width": 280}
        text, name = "Teach the demo model a word", "ti_first_run_button"
        button = component(gr.Button, value=text, elem_id=name, **looks)
    said = html(elem_id="ti_first_run_said")
    gr.HTML("", elem_id="ti_job_progress_first_run", elem_classes=["ti-hidden"])
    poll = gr.Button("Refresh", elem_id="ti_poll_first_run", elem_classes=["ti-hidden"])
    seen = gr.State(None)
    on(poll.click, does.look, [seen], [seen, place, said], quiet=True)

    def bind() -> None:
        form = studio.shared.form if studio.shared else None
        assert form is not None, "Train is the first tab"
        outputs = [said, *form.inputs]
        press = errors_first(does.press, len(outputs))
        on(button.click, press, [], outputs, js="() => tiStudio.showTab('train')")

    if studio.shared:
        studio.shared.later.append(bind)
