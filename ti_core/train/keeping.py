"""What a run leaves on the disk: states, copies, previews, and in the end the finished file."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from ..data.images import side_by_side
from ..data.templates import names_trigger
from ..errors import FileError, StorageError, TIError
from ..events import Listener, Notice, notice_of
from ..files.atomic import write_bytes
from ..files.checksum import shorthash
from ..files.infotext import infotext, save_png
from ..files.notes import VAE
from ..files.twins import twin_warning
from ..options import recorded
from ..port.session import Hypernetwork, PreviewRequest, Session
from ..tools.strength import strength_by_lengths
from .cards import save_card
from .events import Measures, Previewing, PreviewReady, Saved, SavedKind
from .gradients import all_finite
from .learnable import Content, ExtraNetworks, Learnable
from .measuring import Measuring
from .milestones import copy_is_due, end_is_previewed, is_old, previews_are_due, state_is_due
from .plan import Plan, Product
from .plot import save_loss_plot, save_strength_plot
from .previews import without_words
from .provenance import provenance
from .result import Result, put_result
from .run_folder import RunFolder
from .sidecars import write_sidecars
from .state import TrainState, list_states, save_state
from .surroundings import surroundings
from .update import Updater
from .validations import Validations

_SECONDS_BETWEEN_STATES = 120.0
"""What a kill costs at the most, and an update that takes longer."""
_MOST_PLAIN = 16
"""Images without what is trained that are kept to be shown again."""
_log = logging.getLogger(__name__)


class Keeper:
    """Writes the files of a run, and holds the last state that the run can return to.

    A state comes before everything else of its step: what a kill or a full disk has left out is
    made up for when the run is resumed there, by `catch_up` and `finish`.
    """

    def __init__(
        self,
        plan: Plan,
        session: Session,
        folder: RunFolder,
        learnable: Learnable,
        updater: Updater,
        validations: Validations,
        emit: Listener,
    ) -> None:
        self._plan, self._session, self._folder = plan, session, folder
        self._learnable, self._updater, self._emit = learnable, updater, emit
        self._validations = validations
        self._measuring = Measuring(plan, learnable, updater.results)
        self._facts = {
            "model": plan.facts.checkpoint_name,
            "hash": plan.facts.checkpoint_hash,
            **surroundings(session),
        }
        if plan.state and "vae" in plan.state.facts:
            self._facts["vae"] = plan.state.facts["vae"]
        self._saved_at = time.monotonic()
        self._plain: dict[PreviewRequest, Image.Image] = {}
        self._last_finite = 0
        """The latest step after which an update was not finite."""
        self.good = self._state()

    def begin(self) -> None:
        """Write the first state of a new run, so that it can be resumed from its very start."""
        save_state(self._folder.state, self.good)

    def note_vae(self, fingerprint: str) -> None:
        """What the latents come from; kept in states, as a finished run encodes no more."""
        self._facts["vae"] = fingerprint

    def milestones(self) -> None:
        """What is due after this step: measures, state, copy and plot, previews."""
        self.measure()
        waited = time.monotonic() - self._saved_at
        if (
            state_is_due(self._plan, self._updater.step)
            or self._copy_is_due()
            or self._is_best()
            or waited >= _SECONDS_BETWEEN_STATES
        ):
            self.save_state()
        if self._copy_is_due():
            self.save_copy()
            self._plot()
        if self._is_best():
            self._save_best()
        if self._previews_are_due():
            self.make_previews()

    def catch_up(self) -> None:
        """What is due at the step where this process begins, and is not there yet."""
        paths = map(self._copy_path, self._plan.products)
        if self._copy_is_due() and not all(path.exists() for path in paths):
            self.save_copy()
            self._plot()
        if self._is_best():
            self._save_best()
        if self._previews_are_due():
            self.make_previews(missing_only=True)

    def _copy_is_due(self) -> bool:
        return copy_is_due(self._plan, self._updater.step)

    def _is_best(self) -> bool:
        return self._validations.is_best(self._updater.step)

    def _previews_are_due(self) -> bool:
        return previews_are_due(self._plan, self._updater.step)

    def save_state(self) -> None:
        """Write what is needed to resume here."""
        state = self._state()
        path = save_state(self._folder.state, state)
        self.good, self._saved_at = state, time.monotonic()
        self._saved(path, "state")

    def _state(self) -> TrainState:
        pictures, validations = len(self._plan.dataset.items), self._validations.values()
        state = self._updater.state()
        return replace(
            state,
            pictures=pictures,
            facts=self._facts,
            validations=validations,
            begun=self._measuring.begun,
        )

    def save_copy(self, missing_only: bool = False) -> None:
        """Write a numbered copy of each file."""
        for product in self._plan.products:
            path = self._copy_path(product)
            if not (missing_only and path.exists()):
                self._write(product, path, "copy")
            self._remove_old_copies(product)

    def keep_last_finite(self) -> str:
        """Before training returns to an earlier state: a copy of each file as it was before the
        update that was not finite, unless there is one. Returns where the latest are, in words."""
        step, tensors = self._updater.step, self._learnable.tensors.values()
        if step > self._last_finite and all_finite(tensors):
            self.save_copy(missing_only=True)
            self._last_finite = step
        if not self._last_finite:
            return ""
        paths = (str(self._copy_path(one, self._last_finite)) for one in self._plan.products)
        return f"what was learned until step {self._last_finite} is kept in {', '.join(paths)}"

    def _write(self, product: Product, path: Path, what: SavedKind) -> None:
        write_bytes(path, self._content(product, path.stem).data)
        self._saved(path, what)

    def _save_best(self) -> None:
        """One file, which each better copy replaces; no pruning touches it."""
        for product in self._plan.products:
            self._write(product, self._best_path(product), "best")

    @property
    def best_path(self) -> Path:
        """The copy with the lowest validation loss so far, of the first file."""
        return self._best_path(self._plan.products[0])

    def _best_path(self, product: Product) -> Path:
        kind, name = self._plan.kind, product.config.name
        return self._folder.best_path(name, kind.folder, kind.suffix)

    def _copy_path(self, product: Product, step: int | None = None) -> Path:
        kind, name = self._plan.kind, product.config.name
        step = self._updater.step if step is None else step
        return self._folder.copy_path(name, step, kind.folder, kind.suffix)

    def _remove_old_copies(self, product: Product) -> None:
        """Those that were due and are older than the settings keep; those saved by hand stay."""
        for step in self._folder.steps_of_copies(self._copy_path(product)):
            if copy_is_due(self._plan, step) and is_old(self._plan, step, self._updater.step):
                with contextlib.suppress(OSError):  # it takes some room, and that is all
                    self._copy_path(product, step).unlink()

    def finish(self, ended: bool) -> list[Result]:
        """Write the last state, each finished file, what is beside it, and the plot; `ended` is
        false for a run that was stopped."""
        kept = (self.good.step, self.good.validations)
        now = (self._updater.step, self._validations.values())
        if kept != now or not list_states(self._folder.state):
            self.save_state()
        if ended and end_is_previewed(self._plan):
            self.make_previews(missing_only=True)
        made = [self._finished(product) for product in self._plan.products]
        self.write_validations()
        self._plot()
        return made

    def _finished(self, product: Product) -> Result:
        output, content = self._plan.config.output, functools.partial(self._content, product)
        made = put_result(product.path, content, self._folder, output, self._emit)
        for ending, data in self._plan.kind.beside(made.content.data, self.good).items():
            write_bytes(made.path.with_name(made.path.name + ending), data)
        if output.write_sidecars:
            preview = self._last_preview(product)
            for notice in write_sidecars(made.path, made.content.embedding, preview):
                self._emit(notice)
        self._tell_twins(made.path)
        return made

    def write_validations(self) -> None:
        """The table of them, where there are any."""
        if self._validations.all:
            self._folder.write_validations(self._validations.all)

    def _tell_twins(self, path: Path) -> None:
        """A folder that cannot be listed tells nothing: the run's own file is in it."""
        with contextlib.suppress(OSError):
            if warning := twin_warning(path):
                self._emit(Notice("warning", warning))

    def _last_preview(self, product: Product) -> Path | None:
        """The first that shows its word, of the last step that has one."""
        found = self._folder.previews(until=self._updater.step)
        if not found:
            return None
        name = product.config.name
        shown = (
            n for n, each in enumerate(self._plan.previews) if names_trigger(each.prompt, name)
        )
        number = next(shown, 0) if len(self._plan.products) > 1 else 0
        own = found[-1].with_name(f"{found[-1].stem}-{number}.png") if number else found[-1]
        return own if own.is_file() else found[-1]

    def make_previews(self, missing_only: bool = False) -> None:
        """A preview that fails is reported, and training continues (A1111 dies of it)."""
        step, name = self._updater.step, self._plan.config.name
        requests = self._plan.previews_after(step)
        for number, request in enumerate(requests):
            if missing_only and self._folder.image_path(name, step, number).exists():
                continue
            self._emit(Previewing(step, number + 1, len(requests)))
            try:
                self._preview(number, request)
            except Exception as error:
                _log.debug("preview failed", exc_info=True)
                what = f"preview {number} at step {step} failed"
                self._emit(Notice("warning", what, str(error), "training continues"))
        self._session.release("vae")
        if not self._plan.config.vectors:  # what prompts mean is known, and is not trained
            self._session.release("text_encoder")
        if self._plan.config.preview.save_image_with_stored_embedding:
            self._save_card()

    def _save_card(self) -> None:
        """A card that cannot be written is told, and training continues."""
        step, name = self._updater.step, self._plan.config.name
        try:
            if path := save_card(self._folder, name, step):
                self._saved(path, "card")
        except (TIError, OSError) as error:
            what = f"the card of step {step} was not written"
            self._emit(Notice("warning", what, str(error), "training continues"))

    def _preview(self, number: int, request: PreviewRequest) -> None:
        one = replace(request, count=1)
        with self._updater.results():
            image = self._drawn(one, self._learnable.extra_networks)
        preview = self._plan.config.preview
        if preview.sample_beside or preview.sample_negative:
            image = side_by_side(self._without(one), image)
        step = self._updater.step
        path = self._folder.image_path(self._plan.config.name, step, number)
        text = infotext(request, request.seed, self._plan.facts, self._hashes(request))
        save_png(path, image, text)
        self._emit(PreviewReady(step, path, request.prompt))

    def _drawn(self, request: PreviewRequest, add: Callable[..., ExtraNetworks]) -> Image.Image:
        """The image with what is added, and with the hypernetworks that its prompt calls."""

        def trained(strength: float) -> Hypernetwork | None:
            return add(strength=strength).hypernetwork

        asked, changes = self._plan.calls.read(request, trained, self._session.device)
        return self._session.preview(asked, add().embeddings, changes)[0]

    def _without(self, request: PreviewRequest) -> Image.Image:
        """The same image without what is trained; a negative prompt is without its word, too."""
        if self._plan.config.preview.sample_negative:
            request = without_words(request, self._plan.names)
        if request not in self._plain:
            kept = list(self._plain.items())[1 - _MOST_PLAIN :]
            self._plain = dict(kept) | {request: self._drawn(request, _nothing)}
        return self._plain[request]

    def _hashes(self, request: PreviewRequest) -> dict[str, str]:
        """A1111's "TI hashes": of the file that the run would leave if it ended here."""
        used = f"{request.prompt}\n{request.negative_prompt}"
        if not self._plan.config.vectors:
            return {}
        return {
            product.config.name: shorthash(self._content(product, product.config.file_stem).data)
            for product in self._plan.products
            if names_trigger(used, product.config.name)
        }

    def _content(self, product: Product, name: str) -> Content:
        settings, facts = recorded(product.config), self._plan.facts
        if len(self._plan.names) > 1:
            settings["words_of_the_run"] = list(self._plan.names)
        if self._updater.rate_changes:
            settings["rate_changes"] = self._updater.rate_changes
        if pictures := self._updater.ladder.savings.pictures:
            settings["pictures_at_once"] = pictures
        vae = self._facts.get("vae")
        origin = self._origins[product.config.name] | ({VAE: vae} if vae else {})
        learned = self._learnable.of(product.config.name)
        with self._updater.results():
            return learned.content(name, self._updater.step, facts, settings, origin)

    @functools.cached_property
    def _origins(self) -> dict[str, dict[str, str]]:
        return {each.config.name: provenance(each.dataset) for each in self._plan.products}

    def _saved(self, path: Path, what: SavedKind) -> None:
        self._emit(Saved(self._updater.step, path, what, *self.measured()))

    def measured(self) -> tuple[Measures, Measures, str]:
        """Measures, strength and verdict of what a file would hold now; see `Saved`."""
        with self._updater.results():
            measures = self._learnable.measures()
        found = strength_by_lengths(measures, self._learnable.usual_lengths)
        return measures, found.ratios if found else {}, found.verdict if found else ""

    def measure(self) -> None:
        """Tell how strong the vectors are, where it is due."""
        if measured := self._measuring.at(self._updater.step):
            self._emit(measured)

    def _plot(self) -> None:
        """Nothing depends on it, so that a failure is a warning only."""
        name, path = self._plan.config.name, self._folder.path
        try:
            save_loss_plot(path / "loss.png", self._folder.losses(), name, self._validations.all)
            if found := self._folder.standings():
                self._folder.write_standings(found)
                save_strength_plot(path / "strength.png", found, name)
        except (FileError, StorageError) as error:
            self._emit(notice_of(error))


def _nothing(strength: float = 1.0) -> ExtraNetworks:
    return ExtraNetworks()
