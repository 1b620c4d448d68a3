"""Compare: the copies of a run side by side, the best of them, and one made weaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from ti_core.compare.copies import PastRun, config_of_word, list_runs, some_of
from ti_core.compare.evaluation import Questions, questions_of
from ti_core.compare.events import PictureReady, Progress, SheetReady
from ti_core.compare.ranking import MEASURED, Rated, best
from ti_core.compare.run import Comparison, compare
from ti_core.compare.sheet import Sheets, read_weights
from ti_core.compare.subject import Subject, Wording
from ti_core.compare.subjects import EMBEDDINGS, SUBJECTS
from ti_core.data.config import check_sides
from ti_core.errors import ConfigError, DataError
from ti_core.events import Event
from ti_core.files.reading import read_embedding
from ti_core.port.session import Host, PreviewRequest, TextOptions
from ti_core.tools.rescaling import rescaled
from ti_core.train.progress import JobProgress

from .. import markup, tables
from ..asking import factors_to_strength
from ..embeddings import embeddings_update
from ..forms import size_sliders
from ..gradio_versions import Input, Updates, component, gallery, on, text_line
from ..job import Job
from ..job_view import bind_job_view, build_job_view, errors_first
from ..saving import save_new
from ..studio import Studio
from ..thumbnails import thumbnail

_MOST_COPIES = 12
_SHEETS, _BEST = "Sheets of images", "Best copy"
_SHEET_SIDE = 2048
"""Pixels of a sheet in the page; the file has all of them."""
_IDLE = "Choose a run. Its copies are drawn with the same seeds, and rated with the same noise."


@dataclass(frozen=True)
class ComparisonRequest:
    """What the page says, as it comes from the fields."""

    run: str
    copies: list[str]
    what: list[str]
    prompts: str
    negative: str
    weights: str
    seed: float
    count: float
    steps: float
    scale: float
    sampler: str
    width: float
    height: float
    judged_by: str
    baseline: bool


@dataclass
class Memory:
    """What comparisons have found, for every page that asks."""

    runs: dict[str, PastRun] = field(default_factory=dict)
    """By what they are called in the page; only these are ever opened."""
    found: dict[str, Comparison] = field(default_factory=dict)
    """By the number of the job."""
    made: dict[str, list[SheetReady | PictureReady]] = field(default_factory=dict)
    """By the number of the job: its sheets, and the images of one that is not complete."""


class ComparePage:
    """What the buttons do."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.memory = studio, Memory()

    # --- choosing -----------------------------------------------------------------------------

    def runs(self) -> list[str]:
        """Every run with copies, the newest first."""
        dirs = self.studio.logging_dirs()
        found = {run.label: run for logs in dirs for run in list_runs(logs, SUBJECTS)}
        self.memory.runs = found
        return list(found)

    def refresh(self) -> dict[str, object]:
        """An update of the runs."""
        return gr.update(choices=self.runs())

    def choose(self, label: str) -> Updates:
        """[update of the copies, of the prompt, of the name]"""
        run = self.memory.runs.get(label or "")
        if run is None:
            return [gr.update(choices=[], value=[]), gr.update(), gr.update()]
        names = [path.stem for path in run.copies]
        chosen = [path.stem for path in some_of(run.copies, _MOST_COPIES)]
        prompts = config_of_word(run.folder, run.name).preview.sample_prompts
        is_own = prompts.strip() and not prompts.endswith(".txt")
        shown = gr.update(value=_words(prompts)) if is_own else gr.update()
        return [gr.update(choices=names, value=chosen), shown, gr.update(value=run.name)]

    def _run(self, label: str) -> PastRun:
        """Only what is in the list: a page's text is not a path."""
        if not self.memory.runs:
            self.runs()
        run = self.memory.runs.get(label or "")
        if run is None:
            raise DataError("no run is chosen", "", "choose one; Refresh looks for new ones")
        return run

    # --- comparing ----------------------------------------------------------------------------

    def press_compare(self, *values: Any) -> str:
        """Begin. Raises what the settings raise, HostBusyError while a job is running."""
        asked = ComparisonRequest(*values)
        run = self._run(asked.run)
        files = [path for path in run.copies if path.stem in asked.copies]
        if not files or not asked.what:
            raise ConfigError("nothing is chosen", "", "tick some copies, and what to compare")
        host = self.studio.host()
        wording = run.subject.wording
        sheets = sheets_of(asked, run.name, host, wording) if _SHEETS in asked.what else None
        questions = self._questions(asked, run, host) if _BEST in asked.what else None

        def work(job: Job) -> None:
            job.change(run_folder=run.folder)
            self._work(job, files, run, sheets, questions)

        self.studio.start("compare", run.name, work)
        return ""

    def _questions(self, asked: ComparisonRequest, run: PastRun, host: Host) -> Questions:
        trained = config_of_word(run.folder, run.name)
        data = trained.data
        if (asked.judged_by or "").strip():
            data = replace(data, train_data_dir=asked.judged_by.strip())
        data = self.studio.places().checked(data)
        return questions_of(data, run.name, host, 8, trained, run.subject.wording.by_word)

    def _work(
        self,
        job: Job,
        files: Sequence[Path],
        run: PastRun,
        sheets: Sheets | None,
        questions: Questions | None,
    ) -> None:
        self.memory.made[job.id] = []

        def emit(event: Event) -> None:
            job.emit(event)
            if isinstance(event, Progress):
                job.change(stage=event.stage, step=event.done, total=event.total)
            elif isinstance(event, (SheetReady, PictureReady)):
                self.memory.made[job.id] = grown(self.memory.made[job.id], event)

        folder = _free_folder(run.folder / "compare")
        host, control = self.studio.host(), job.control
        asked = (sheets, questions, emit, lambda: control.finishing)
        self.memory.found[job.id] = compare(files, host, folder, *asked, subject=run.subject)

    def show(self, job: Job, progress: JobProgress) -> Updates:
        """[ratings, sheets, update of the copy to be used]"""
        sheets = [_pictured(event) for event in self.memory.made.get(job.id, [])]
        found = self.memory.found.get(job.id)
        if found is None or not found.ratings:
            rated = gr.update(value="") if not progress.over else gr.update()
            return [rated, gr.update(value=sheets), gr.update()]
        names = [one.copy.label for one in found.ratings]
        chosen = best(found.ratings).copy.label
        update = gr.update(choices=names, value=chosen)
        return [gr.update(value=ratings(found.ratings)), gr.update(value=sheets), update]

    # --- using --------------------------------------------------------------------------------

    def press_use(self, label: str, copy: str, name: str, replace_present: bool) -> Updates:
        """[what to say, update of Train's dropdown]"""
        path, subject = self._copy(label, copy), self._run(label).subject
        keep, name = self.studio.settings().keep_replaced, (name or "").strip()
        saved = subject.use(path, self._home(subject), name, bool(replace_present), keep)
        subject.announce(self.studio.host(), saved)
        called = subject.wording.called(saved.stem)
        said = f"{path.stem} is {saved.stem} now: write {called} in a prompt"
        return [markup.box("good", said), embeddings_update(self.studio)]

    def press_repair(self, label: str, copy: str, strength: float, name: str) -> Updates:
        """[what to say, update of Train's dropdown]"""
        path = self._copy(label, copy)
        _require_embedding(self._run(label))
        found = read_embedding(path)
        factors = factors_to_strength(self.studio, found, float(strength))
        made = rescaled(found, factors, (name or "").strip())
        saved = save_new(self.studio, made)
        told = ", ".join(f"{key} × {factor:.3g}" for key, factor in factors.items())
        said = f"{saved.name} is written ({told}): write {saved.stem} in a prompt"
        return [markup.box("good", said), embeddings_update(self.studio)]

    def _home(self, subject: Subject) -> Path:
        """Embeddings go where the user's setting says."""
        return self.studio.save_dir() if subject is EMBEDDINGS else subject.home(self.studio.host())

    def _copy(self, label: str, copy: str) -> Path:
        run = self._run(label)
        path = next((path for path in run.copies if path.stem == copy), None)
        if path is None:
            raise DataError("no copy is chosen", "", "choose one of the run's copies")
        return path


def grown(
    made: Sequence[SheetReady | PictureReady], event: SheetReady | PictureReady
) -> list[SheetReady | PictureReady]:
    """What there is to see after one more event: a sheet takes the place of its images."""
    if isinstance(event, PictureReady):
        return [*made, event]
    return [*(one for one in made if isinstance(one, SheetReady)), event]


def _pictured(event: SheetReady | PictureReady) -> tuple[Image.Image, str]:
    if isinstance(event, SheetReady):
        return thumbnail(event.path, side=_SHEET_SIDE), event.prompt
    title = f"{event.label}, weight {event.weight:g}, seed {event.seed}: {event.prompt}"
    return thumbnail(event.path), title


def _require_embedding(run: PastRun) -> None:
    if run.subject is not EMBEDDINGS:
        fix = f"write a smaller number into {run.subject.wording.called(run.name)}"
        raise DataError(
            "this changes the strength of embeddings", f"{run.name} has a multiplier", fix
        )


def sheets_of(asked: ComparisonRequest, name: str, host: Host, wording: Wording) -> Sheets:
    """Raises ConfigError for prompts, weights or sizes that cannot be drawn."""
    facts, samplers = host.describe(), host.features().samplers
    base = PreviewRequest(
        prompt="",
        negative_prompt=asked.negative or "",
        width=_side(asked.width, facts.resolution),
        height=_side(asked.height, facts.resolution),
        steps=int(asked.steps),
        cfg_scale=float(asked.scale),
        seed=max(0, int(asked.seed or 0)),
        sampler=asked.sampler if asked.sampler in samplers else samplers[0],
        count=int(asked.count),
        text=TextOptions(emphasis=True),
    )
    prompts = tuple(line.strip() for line in (asked.prompts or "").splitlines() if line.strip())
    weights = read_weights(asked.weights or "")
    return Sheets(name, prompts, weights, base, bool(asked.baseline), wording)


def _side(asked: float, usual: int) -> int:
    side = int(asked or 0) or usual
    check_sides(f"a side is {side}", (side, side))
    return side


def _free_folder(parent: Path) -> Path:
    number = 1
    while (parent / str(number)).exists():
        number += 1
    return parent / str(number)


def ratings(found: Sequence[Rated]) -> str:
    """Which copy is the best and why, the copies in figures, and what the figures mean."""
    chosen = best(found)
    rows = [
        (
            one.copy.label,
            one.copy.step,
            tables.Figure(f"{one.loss:.5f}"),
            tables.Figure(f"+{one.behind:.5f} ± {one.error:.5f}"),
            _strength(one),
            tables.Tag("best copy", "best") if one is chosen else "as good" if one.equal else "",
        )
        for one in found
    ]
    head = ("copy", "steps", "loss", "above the lowest", "strength", "")
    place = next(number for number, one in enumerate(found) if one is chosen)
    reason = markup.box("good", f"Best copy: {chosen.copy.label}, {_reason(found, chosen)}")
    return (
        reason
        + tables.table(head, rows, place)
        + tables.folded("What the figures mean", tables.fine(MEASURED))
    )


def _reason(found: Sequence[Rated], chosen: Rated) -> str:
    equal = sum(one.equal for one in found)
    if equal == 1:
        return "whose loss is the lowest, by more than one standard error"
    return f"the earliest of {equal} copies that the loss cannot tell apart (one standard error)"


def _strength(one: Rated) -> tables.Tag | tables.Figure:
    """A word for it only where there is a rule of thumb."""
    found = one.strength
    return tables.strength_tag(found.value) if found.verdict else tables.Figure(str(found))


# --- the page ---------------------------------------------------------------------------------


def build(studio: Studio) -> None:
    """Fill the tab."""
    page = ComparePage(studio)
    with component(gr.Row, equal_height=False):
        with gr.Column(scale=4, min_width=360):
            fields, refresh = _fields(page)
            button = gr.Button("Compare", variant="primary", elem_id="ti_compare_button")
            message = gr.HTML("", elem_id="ti_compare_message")
        with gr.Column(scale=5, min_width=360):
            view = build_job_view(studio, "compare", _IDLE)
            rated = gr.HTML("", elem_id="ti_compare_ratings")
            copy, name = _use(page, fields["run"])
            sheets = gallery("Sheets", 1, "ti_compare_sheets")
    run = fields["run"]
    on(refresh.click, page.refresh, [], [run], quiet=True)
    on(run.change, page.choose, [run], [fields["copies"], fields["prompts"], name], quiet=True)
    on(fields["copies"].change, _usable, [fields["copies"]], [copy], quiet=True)
    press = markup.with_error_box(page.press_compare)
    on(button.click, press, list(fields.values()), [message], quiet=True)
    view.lists, view.renew = [run], lambda opened: [page.refresh()]
    bind_job_view(view, message, [rated, sheets, copy], page.show)


def _words(line: str) -> str:
    """A preview prompt without kohya's options behind it; Compare has fields of its own."""
    return line.partition(" --")[0]


def _usable(copies: list[str]) -> dict[str, object]:
    return gr.update(choices=copies, value=copies[-1] if copies else None)


def _fields(page: ComparePage) -> tuple[dict[str, Input], gr.Button]:
    """The components of `ComparisonRequest`, in its order, and the button "Refresh"."""
    fields: dict[str, Input] = {}
    with gr.Row():
        fields["run"] = gr.Dropdown([], label="Run", elem_id="ti_compare_run")
        refresh = gr.Button("Refresh", elem_id="ti_compare_refresh", scale=0, min_width=90)
    fields["copies"] = gr.CheckboxGroup([], label="Copies", elem_id="ti_compare_copies")
    fields["what"] = gr.CheckboxGroup(
        [_SHEETS, _BEST], value=[_SHEETS, _BEST], label="What to compare", elem_id="ti_compare_what"
    )
    fields["prompts"] = gr.Textbox(
        value=_words(page.studio.settings().sample_prompts),
        label="Prompts",
        info="one per line; [name] stands for the word, a line without it gets one row; a "
        "hypernetwork does not need it",
        lines=3,
        elem_id="ti_compare_prompts",
    )
    fields["negative"] = gr.Textbox(
        label="Negative prompt",
        info="[name] stands for the word here as well",
        max_lines=2,
        elem_id="ti_compare_negative",
    )
    info = (
        "of the word, such as 0.7, 1, 1.3: the word is written (word:0.7) then; of a hypernetwork, "
        "its multipliers"
    )
    fields["weights"] = text_line("Weights", "ti_compare_weights", value="1", info=info)
    _pictures(fields)
    hint = "the run's own; images that were not trained on say more"
    fields["judged_by"] = text_line("Images to judge by", "ti_compare_judged_by", placeholder=hint)
    fields["baseline"] = gr.Checkbox(
        False,
        label="Also without the word",
        info="a first row in each sheet",
        elem_id="ti_compare_baseline",
    )
    return fields, refresh


def _pictures(fields: dict[str, Input]) -> None:
    with gr.Row():
        fields["seed"] = gr.Number(0, label="Seed", precision=0, elem_id="ti_compare_seed")
        fields["count"] = gr.Slider(
            1, 8, 1, step=1, label="Seeds per cell", elem_id="ti_compare_count"
        )
    with gr.Accordion("More: Images", open=False):
        with gr.Row():
            fields["steps"] = gr.Slider(
                1, 150, 20, step=1, label="Sampling steps", elem_id="ti_compare_steps"
            )
            fields["scale"] = gr.Slider(
                1, 30, 7, step=0.5, label="CFG Scale", elem_id="ti_compare_scale"
            )
        looks = {"placeholder": "default: the first one"}
        fields["sampler"] = text_line("Sampler", "ti_compare_sampler", **looks)
        with gr.Row():
            fields |= size_sliders("ti_compare")


def _use(page: ComparePage, run: Input) -> tuple[gr.Dropdown, gr.Textbox]:
    """What to do with a copy; returns the components for the copy and for the name."""
    studio = page.studio
    with gr.Group(elem_id="ti_compare_use"):
        with gr.Row():
            copy = gr.Dropdown([], label="Copy", elem_id="ti_compare_copy")
            name = gr.Textbox(label="Name", max_lines=1, elem_id="ti_compare_name")
        with gr.Row():
            use = gr.Button("Use this copy", elem_id="ti_compare_use_button")
            over = gr.Checkbox(
                False,
                label="Replace the file of that name",
                info="the old file is kept as a numbered copy; Library brings it back",
                elem_id="ti_compare_replace",
            )
    with gr.Accordion("Change the strength", open=False):
        strength = gr.Slider(
            0.1,
            5,
            1.0,
            step=0.05,
            label="Strength",
            info="length of its longest vector; 1 is an ordinary word of the model. "
            "A permanent form of [[[[word]]]]",
            elem_id="ti_compare_strength",
        )
        with gr.Row():
            other = gr.Textbox(label="New name", max_lines=1, elem_id="ti_compare_repaired_name")
            repair = gr.Button("Save with this strength", elem_id="ti_compare_repair")
    answer = gr.HTML("", elem_id="ti_compare_answer")
    outputs = [answer, *([studio.shared.embedding] if studio.shared else [])]
    press = errors_first(page.press_use, len(outputs))
    on(use.click, press, [run, copy, name, over], outputs)
    press = errors_first(page.press_repair, len(outputs))
    on(repair.click, press, [run, copy, strength, other], outputs)
    return copy, name
