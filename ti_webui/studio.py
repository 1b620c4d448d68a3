"""What the panel, the jobs and the API need of the program around them, and nothing more.

Every program fills in one `Studio`: the web UIs' extension script, `ti ui`, and the tests. The
panel never asks which of them it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ti_core.errors import HostError
from ti_core.files.kept import kept_option
from ti_core.files.library import Library
from ti_core.options import Checked, option
from ti_core.port.precision import PrecisionChoice
from ti_core.port.session import Host, ModelFacts

from .job import Job, Jobs, Kind, call, jobs
from .places import Places

if TYPE_CHECKING:
    import gradio as gr

    from ti_core.train.config import TrainConfig

    from .forms import Form
    from .gradio_versions import Component

TXT2IMG_FIELDS = (
    "prompt",
    "negative_prompt",
    "steps",
    "sampler",
    "cfg_scale",
    "seed",
    "width",
    "height",
)
"""Names of the txt2img page's fields, as in `port.PreviewRequest`."""


@dataclass(frozen=True)
class Settings(Checked):
    """The user's settings: a section of a web UI's Settings page."""

    title = "Textual Inversion Studio"
    logging_dir: str = option(
        "textual_inversion",
        "folder for runs: copies, previews, logs, and the state to resume from",
        label="Log directory",
        path="output folder",
    )
    sample_prompts: str = option(
        "a picture of [name]",
        "prompt of the preview images; [name] stands for the new word; empty: the training "
        "prompt of the step",
        label="Preview prompt",
    )
    mixed_precision: PrecisionChoice = option(
        "auto",
        "what the model computes in while it trains (auto: as the web UI does); the vectors stay "
        "fp32",
        label="Precision",
    )
    keep_replaced: int = kept_option()


@dataclass
class Shared:
    """Fields of one panel that several of its tabs speak of, so that nothing is typed twice.

    The components are made by `panel.build_panel` before any tab, with `render=False`; the tab
    that shows one calls its `render()`, the others use it as input or output of their events.
    """

    dataset_dir: gr.Textbox
    """"Dataset directory", shown by Train; Data fills it with the folder it wrote."""
    embedding: gr.Dropdown
    """"Embedding", shown by Train: names of embeddings, or a new word."""
    form: Form[TrainConfig] | None = None
    """Train's, once it is there."""
    try_it: gr.Button | None = None
    """Beside a finished training; a program that can make images has it do so with its word."""
    later: list[Callable[[], None]] = field(default_factory=list)
    """Called when every tab is there: what one binds to components of another."""


@dataclass
class Studio:
    """The surroundings of the panel."""

    host: Callable[[], Host]
    """The program's model, asked again each time: another one may be loaded now. Raises
    NoModelError when there is none."""
    embeddings_dirs: Callable[[], list[Path]]
    """Folders of embeddings; new ones are written into the first."""
    settings: Callable[[], Settings] = Settings
    """The user's settings as they are now."""
    jobs: Jobs = field(default_factory=lambda: jobs)
    claim: Callable[[], AbstractContextManager[object]] = nullcontext
    """Held while a job works, in its thread: A1111's queue lock, so that images wait."""
    run: Callable[[Callable[[], None]], None] = call
    """Calls a job's work and returns when it is done; Forge has it done in its main thread."""
    show: Callable[[Job], AbstractContextManager[object]] = nullcontext
    """Open while a job works, after `claim`: a web UI shows it where it shows its own."""
    txt2img_parameters: Callable[[], Mapping[str, Component]] = dict
    """Asked while the panel is built: name out of TXT2IMG_FIELDS → gradio component of the txt2img
    page. Empty where there is no such page."""
    send_to: Mapping[str, str] = field(default_factory=dict)
    """"txt2img" and "img2img", where there are such pages → JavaScript: a function of a word, which
    it adds to that page's prompt and shows it, and of "negative" if it is for the negative one."""
    headline: Callable[[], Mapping[str, str]] = dict
    """What a page that stands alone tells at its top as it is now, label → text; a web UI has a top
    of its own."""
    welcome: Callable[[Studio], object] = lambda studio: None
    """Fills the place above the tabs, for those who see the page for the first time."""
    own_tabs: Mapping[str, Callable[[Studio], object]] = field(default_factory=dict)
    """Tabs that only this program has, behind Train: name → what fills one."""
    templates_dir: Callable[[], Path | None] = lambda: None
    """Folder with the user's own prompt templates, if the program has one."""
    ui_config: Callable[[], Path | None] = lambda: None
    """The file in which the program keeps defaults that its user has saved."""
    dataset_roots: Callable[[], tuple[Path, ...] | None] = lambda: None
    """Folders that images and captions must lie below; None: anywhere. See `places`."""
    widened_by: str = ""
    """How the user of the program allows more of them, for error messages."""
    usual_lengths: dict[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    """(name, hash) of a checkpoint → encoder key → median length of its words; see strength."""
    shared: Shared | None = None
    """Filled in by the panel."""

    def save_dir(self) -> Path:
        """Where new embeddings go."""
        return self.embeddings_dirs()[0]

    def places(self) -> Places:
        """What may be read and written for this page, as the settings are now."""
        own = tuple(self.embeddings_dirs())
        templates = self.templates_dir()
        own = (*own, templates) if templates else own
        return Places(own, self.dataset_roots(), self.widened_by)

    def logging_dirs(self) -> list[Path]:
        """Where runs lie: the user may have given a job a log directory of its own."""
        folders = [job.progress.run_folder for job in self.jobs.list()]
        own = [folder.parent.parent for folder in folders if folder]
        found = dict.fromkeys([Path(self.settings().logging_dir).absolute(), *own])
        return list(filter(self.places().allows, found))

    def library(self) -> Library:
        """The embeddings as they are in the folders now."""
        library = Library(self.embeddings_dirs())
        library.refresh()
        return library

    def facts(self) -> ModelFacts | None:
        """Those of the program's model; None while none is loaded that can be trained."""
        try:
            return self.host().describe()
        except HostError:
            return None

    def uses_networks(self) -> bool:
        """Whether the program uses hypernetworks in its own images; so it seems while no model is
        loaded."""
        try:
            return self.host().features().hypernetworks
        except HostError:
            return True

    def start(self, kind: Kind, name: str, work: Callable[[Job], Path | None]) -> Job:
        """Begin `work(job)` in a thread. Raises HostBusyError while another job is running."""
        return self.jobs.start(kind, name, work, self.claim, self.run, self.show)
