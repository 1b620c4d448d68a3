"""HTML of the panel, made here and nowhere else: every text that comes from outside is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ti_core.checkup.disk import spelled as bytes_spelled
from ti_core.checkup.finding import Finding
from ti_core.data.preprocess.config import PreprocessConfig
from ti_core.errors import TIError
from ti_core.events import Notice
from ti_core.foreign.imported import Imported
from ti_core.options import setting_names, with_names
from ti_core.schedule import Segment
from ti_core.tools.strength import OVERTRAINED, VERDICTS, verdict
from ti_core.train.config import TrainConfig
from ti_core.train.hypernetwork_config import HypernetworkTrainConfig
from ti_core.train.progress import (
    OUTCOMES,
    JobProgress,
    JobState,
    duration_text,
    last_texts,
    left_text,
    validation_text,
)

from .curve import curve, strength_curve
from .differences import Difference
from .outlook import Outlook

LABELS = {"token_string": "Embedding"}
"""Of fields that bear A1111's label in place of the setting's own."""


def labels_of(*kinds: type, **others: str) -> Mapping[str, str]:
    """Setting → its label in a form, as texts name it; `others` bear another one there."""
    return setting_names(lambda name, known: f"“{others.get(name, known.label)}”", *kinds)


NO_NETWORKS = (
    "this web UI does not use hypernetworks in its own images; previews show them, and the "
    "file is for AUTOMATIC1111 and ComfyUI"
)
TABLES_TO_LEAVE_OUT = "Tables to leave out"
"""The field of Library → Convert that is `ti convert --drop`."""
_NAMES = {
    **labels_of(HypernetworkTrainConfig, TrainConfig, PreprocessConfig, **LABELS),
    "drop": f"“{TABLES_TO_LEAVE_OUT}” in Library → Convert",
}
_COLOURS = 5
"""Of the schedule's segments, in style.css."""
_SHOWN = 40
"""Findings and notices; the rest is counted."""
_LINES = 200
_DIFFERING = 8
"""Settings that are named where a form differs from its preset."""
_MARKED = "box-shadow: inset 4px 0 0 0 #2563af !important; padding-left: 10px !important"
"""The padding is for gradio 3.41, where labels begin at the very edge."""
_DOT = "text-decoration: underline dotted 2px; text-underline-offset: 4px"
_STEPPING = ("train", "hypernetwork", "sweep")
"""Kinds of jobs that count steps."""
_STATES: dict[JobState, str] = {
    **OUTCOMES,
    "waiting": "waiting for images that are being made",
    "stopped": f"{OUTCOMES['stopped']}; everything is saved",
    "paused": "paused",
}


def escape(text: str) -> str:
    """Text as HTML; bytes of names that are not UTF-8 are spelled out: no page can hold them."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode())


def with_labels(text: str, labels: Mapping[str, str] = _NAMES) -> str:
    """The text of an error, notice or finding, with settings by the labels of the form."""
    return with_names(text, labels.get)


def box(kind: str, text: str) -> str:
    """A paragraph in a frame; kind: error, warning, hint, note or good."""
    return f'<div class="ti-box ti-{escape(kind)}">{escape(text)}</div>' if text else ""


def error_box(error: object, labels: Mapping[str, str] = _NAMES) -> str:
    """An error, where the user looks; `javascript/` marks the fields that it names."""
    if not error:
        return ""
    named = [name for name in re.findall(r"`(\w+)`", str(error)) if name in labels]
    text = escape(with_labels(str(error), labels))
    return f'<div class="ti-box ti-error" data-fields="{" ".join(named)}">{text}</div>'


def notices(found: Sequence[Notice]) -> str:
    """What the run had to tell, newest first."""
    kinds = {"info": "note", "warning": "warning"}
    shown = [box(kinds[n.level], with_labels(str(n))) for n in reversed(found[-_SHOWN:])]
    return "".join(shown) + _more(len(found))


def import_report(found: Imported) -> str:
    """How much of another program's settings was taken, and what was not."""
    parts = [box("good", f"{found.program}: {len(found.settings)} settings are filled in")]
    if found.misfits:
        lines = "".join(_line(each) for each in found.misfits[:_SHOWN])
        more = _more(len(found.misfits))
        text = f"<b>Without a counterpart here</b><ul>{lines}</ul>{more}"
        parts.append(f'<div class="ti-box ti-warning">{text}</div>')
    if found.remarks:
        lines = "".join(_line(each) for each in found.remarks[:_SHOWN])
        summary = f"<summary>{len(found.remarks)} more notes</summary>"
        parts.append(f"<details>{summary}<ul>{lines}</ul>{_more(len(found.remarks))}</details>")
    return "".join(parts)


def _line(notice: Notice) -> str:
    return f"<li>{escape(with_labels(str(notice)))}</li>"


def findings(found: Sequence[Finding]) -> str:
    """What the checkup said, the worst first; facts and what could not be checked are folded."""
    loud = [f for f in found if f.severity in ("error", "warning", "hint")]
    quiet = [f for f in found if f.severity not in ("error", "warning", "hint")]
    text = "".join(_finding(f) for f in loud[:_SHOWN]) + _more(len(loud))
    if quiet:
        inside = "".join(_finding(f) for f in quiet)
        text += f"<details><summary>{len(quiet)} more notes</summary>{inside}</details>"
    return text


def _finding(finding: Finding) -> str:
    files = ", ".join(finding.files[:3]) + (" …" if len(finding.files) > 3 else "")
    text = with_labels(str(finding)) + (f" ({files})" if files else "")
    return box("note" if finding.severity == "unchecked" else finding.severity, text)


def folders(title: str, found: Sequence[Path]) -> str:
    """Folders as buttons; `javascript/` writes the one that is pressed into the field."""
    buttons = "".join(
        f'<button type="button" class="ti-path" data-path="{escape(str(path))}" '
        f'title="{escape(str(path))}">{escape(path.name or str(path))}</button>'
        for path in found
    )
    return f'<div class="ti-box ti-note">{escape(title)}: {buttons}</div>' if found else ""


def lines(texts: Sequence[str]) -> str:
    """Lines of text, newest first."""
    shown = "".join(f"<li>{escape(with_labels(text))}</li>" for text in reversed(texts[-_LINES:]))
    return f'<ol class="ti-lines" reversed>{shown}</ol>' if shown else ""


def headline(told: Mapping[str, str]) -> str:
    """The top of a page that stands alone."""
    some = {label: text for label, text in told.items() if text}
    facts = "".join(f"<span><i>{escape(k)}</i> {escape(text)}</span>" for k, text in some.items())
    return f'<b class="ti-title">Textual Inversion Studio</b><div class="ti-figures">{facts}</div>'


def heading(text: str) -> str:
    """Of a group of fields."""
    return f'<h4 class="ti-group">{escape(text)}</h4>'


def _more(count: int) -> str:
    return f"<p>… and {count - _SHOWN} more</p>" if count > _SHOWN else ""


def outlook(known: Outlook) -> str:
    """Schedule, token allowance and memory of a run that has not begun."""
    parts = [_schedule(known.segments, known.max_steps)]
    if known.decay and known.segments:
        parts.append(f"<p>Decay: <b>{escape(known.decay)}</b></p>")
    if known.early_stopping and known.segments:
        parts.append("<p>Fewer steps with early stopping</p>")
    if known.epochs and known.max_steps:
        parts.append(f"<p>{known.epochs:,} epoch(s) = <b>{known.max_steps:,}</b> steps</p>")
    parts.append(box("warning", with_labels(known.early_end)))
    left = known.capacity - known.vectors
    used = f"the word takes <b>{known.vectors}</b> of the {known.capacity} tokens of a prompt chunk"
    parts.append(f"<p>Token allowance: {used}, {left} are left</p>")
    if known.memory:
        amount, formula = bytes_spelled(known.memory), escape(known.memory_formula)
        parts.append(f'<p title="{formula}">Memory: about <b>{amount}</b> ({formula})</p>')
    if known.model:
        parts.append(f"<p>Model: {escape(known.model)}</p>")
    return f'<div class="ti-outlook">{"".join(parts)}{error_box(known.trouble)}</div>'


def _schedule(segments: Iterable[Segment], last: int) -> str:
    """A bar with the segments to scale, and their list."""
    bars, rows = [], []
    for number, segment in enumerate(segments):
        colour = f"ti-colour-{number % _COLOURS}"
        width = 100 * (segment.until - segment.start) / max(1, last)
        bars.append(f'<span class="{colour}" style="width:{width:.2f}%"></span>')
        steps = f"steps {segment.start + 1:,} to {segment.until:,}"
        rows.append(f'<li><i class="{colour}"></i> <b>{segment.rate:g}</b> for {steps}</li>')
    if not bars:
        return ""
    return f'<div class="ti-schedule">{"".join(bars)}</div><ul class="ti-key">{"".join(rows)}</ul>'


def progress_html(
    progress: JobProgress, name: str, kind: str = "train", uses_networks: bool = True
) -> str:
    """A job of this kind as it stands: bar, figures, curve, strength, and what went wrong; in a
    program that uses hypernetworks or not."""
    stage = _STATES.get(progress.state) or progress.stage or "at work"
    state = f'<span class="ti-state ti-is-{progress.state}">{escape(stage)}</span>'
    parts = [
        f'<div class="ti-head"><b>{escape(name)}</b> {state}</div>',
        f'<div class="ti-bar"><span style="width:{100 * progress.share:.2f}%"></span></div>',
        _figures(progress, "step" if kind in _STEPPING else "done"),
        _last(progress),
        error_box(progress.error),
        curve(progress.losses, progress.segments, progress.validations),
        _strength(progress),
        _meter(progress),
        _result(progress, kind, uses_networks),
    ]
    return f'<div class="ti-progress" data-state="{progress.state}">{"".join(parts)}</div>'


def bar(progress: JobProgress, name: str) -> str:
    """A job in one line: what it is, how far, and for how long."""
    stage = _STATES.get(progress.state) or progress.stage or "at work"
    parts = [
        f"<b>{escape(name)}</b>",
        escape(stage),
        f"{progress.step:,} of {progress.total:,}" if progress.total else "",
        left_text(progress.seconds_left),
    ]
    said = " · ".join(filter(None, parts))
    width = f'<span style="width:{100 * progress.share:.2f}%"></span>'
    return f'<div class="ti-line">{said}</div><div class="ti-bar">{width}</div>'


def differing(preset: str, found: Sequence[Difference], folds: Iterable[str]) -> str:
    """What a form says that its preset does not; fields and folds are marked while it is there."""
    if not found:
        return ""
    told = [
        f"<b>{escape(one.label)}</b> {escape(one.value)} ({escape(one.usual)})" for one in found
    ]
    more = f" … and {len(told) - _DIFFERING} more" if len(told) > _DIFFERING else ""
    head = f"Not as in the preset “{escape(preset)}”: "
    fields = ", ".join(f"#ti_train_{name}" for name in _fields(found))
    titles = ", ".join(f"#ti_fold_{fold} > .label-wrap > span:first-child" for fold in folds)
    style = f"{fields} {{ {_MARKED} }}" + (f" {titles} {{ {_DOT} }}" if titles else "")
    text = f"{head}{', '.join(told[:_DIFFERING])}{more}"
    return f'<div class="ti-box ti-hint">{text}</div><style>{style}</style>'


def _fields(found: Sequence[Difference]) -> Iterable[str]:
    for one in found:
        yield from ("width", "height") if one.name == "resolution" else (one.name,)


def _figures(progress: JobProgress, counted: str) -> str:
    found = []
    if progress.total:
        found.append((counted, f"{progress.step:,} of {progress.total:,}"))
    if progress.loss is not None:
        found.append(("smoothed loss", f"{progress.loss:.4f}"))
        if progress.last_loss is not None:
            found.append(("last loss", f"{progress.last_loss:.4f}"))
        found.append(("rate", f"{progress.rate:g}"))
    if validated := validation_text(progress):
        found.append(("validation loss", validated))
    if progress.epoch:
        found.append(("epoch", progress.epoch.removeprefix("Epoch ")))
    if progress.seconds_per_step and not progress.over:
        found.append(("per step", duration_text(progress.seconds_per_step)))
    if progress.seconds_left is not None:
        found.append(("left", f"about {duration_text(progress.seconds_left)}"))
    if progress.over and progress.ended:
        found.append(("took", duration_text(progress.ended - progress.began)))
    cells = "".join(f"<span><i>{name}</i> {escape(text)}</span>" for name, text in found)
    return f'<div class="ti-figures">{cells}</div>' if cells else ""


def _last(progress: JobProgress) -> str:
    """What A1111 shows while it trains: the last prompt and files."""
    told = last_texts(progress)
    if progress.run_folder:
        told.append(("Everything is in", str(progress.run_folder)))
    lines = [f"<p><i>{label}:</i> {escape(text)}</p>" for label, text in told]
    return f'<div class="ti-last">{"".join(lines)}</div>' if lines else ""


def _strength(progress: JobProgress) -> str:
    """The curve of it, and what its lines are."""
    drawn = strength_curve(progress.strengths, progress.drifts)
    if not drawn:
        return ""
    lines = (
        ("ti-strength", "strength: length of the longest vector; 1 is an ordinary word"),
        ("ti-drift", "drift: distance from the start, in the same unit"),
    )
    key = "".join(f'<li><i class="{kind}"></i> {text}</li>' for kind, text in lines)
    return f'{drawn}<ul class="ti-key">{key}</ul>'


def _meter(progress: JobProgress) -> str:
    """How loud the embedding is: 1 is an ordinary word."""
    if not progress.strengths:
        return ""
    ratio = progress.strengths[-1][1]
    place = min(100.0, 100 * ratio / (1.2 * OVERTRAINED))
    told = verdict(ratio)
    return (
        f'<div class="ti-meter ti-{told}"><i>strength</i> '
        f'<div class="ti-scale"><span style="left:{place:.1f}%"></span></div>'
        f" <b>{ratio:.2f}</b> {told}: {escape(with_labels(VERDICTS[told]))}</div>"
    )


def _result(progress: JobProgress, kind: str, uses_networks: bool) -> str:
    if not progress.result:
        return ""
    if kind == "sweep":
        return box("good", f"The trainings are compared in {progress.result}")
    if kind == "hypernetwork" and not uses_networks:
        return box("good", f"The file is {progress.result}; {NO_NETWORKS}")
    name = progress.result.stem
    called = f"{name} in a prompt (ComfyUI: embedding:{name})"
    if kind == "hypernetwork":
        called = f"<hypernet:{name}:1> in a prompt"
    return box("good", f"Write {called}. The file is {progress.result}")


def with_error_box(handler: Callable[..., str]) -> Callable[..., str]:
    """A handler whose errors become the HTML that it returns, so that they are seen."""

    def shown(*values: object) -> str:
        try:
            return handler(*values)
        except TIError as error:
            return error_box(error)

    return shown
