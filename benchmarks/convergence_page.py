"""The results of convergence.py as tables, and the page in docs that holds them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ti_core.options import SettingValues

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
Lines = Sequence[SettingValues]


def page(lines: Lines, text: str, recipes: Sequence[str], no_rival: Collection[str] = ()) -> str:
    """A page whose part between the marks is made from `lines`. The first recipe is ours, and those
    of `no_rival` are variants of it."""
    before, rest = text.split(BEGIN)
    counts = sorted({line["count"] for line in lines})
    parts = [
        "Share of images that show the concept, in percent:",
        table(lines, recipes, counts, "score"),
        "Share of what the other words of the prompt ask for (colour, shape, background):",
        table(lines, recipes, counts, "other"),
        "Each concept, over its seeds:",
        by_concept(lines, recipes, counts),
        compared(lines, [name for name in recipes if name not in no_rival]),
    ]
    return f"{before}{BEGIN}\n" + "\n\n".join(parts) + f"\n{END}{rest.split(END)[1]}"


def table(lines: Lines, recipes: Sequence[str], counts: Sequence[int], field: str) -> str:
    """Mean of each recipe at each count, the weakest concept, and how many runs."""
    rows = ["| recipe | " + " | ".join(f"{n:,}" for n in counts) + " |"]
    rows.append("|---" * (len(counts) + 1) + "|")
    for name in recipes:
        own = [line for line in lines if line["recipe"] == name]
        cells = [_cell([line for line in own if line["count"] == n], field) for n in counts]
        if own:
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(lines: Lines, field: str) -> str:
    """ "87 (brick 72; 24)": mean, the concept with the lowest mean, runs."""
    means = concept_means(lines, field)
    if not means:
        return ""
    lowest = min(means, key=lambda concept: means[concept])
    runs = sum(field in line for line in lines)
    return f"{100 * _mean(means):.0f} ({lowest} {100 * means[lowest]:.0f}; {runs})"


def concept_means(lines: Lines, field: str) -> dict[str, float]:
    """Concept → mean over its seeds, of lines that have the field."""
    found: dict[str, list[float]] = {}
    for line in (line for line in lines if field in line):
        found.setdefault(line["concept"], []).append(line[field])
    return {concept: sum(values) / len(values) for concept, values in found.items()}


def _mean(means: dict[str, float]) -> float:
    return sum(means.values()) / len(means)


def by_concept(lines: Lines, recipes: Sequence[str], counts: Sequence[int]) -> str:
    """A row for each recipe and count."""
    concepts = list(dict.fromkeys(line["concept"] for line in lines))
    rows = ["| recipe | images | " + " | ".join(concepts) + " |"]
    rows.append("|---" * (len(concepts) + 2) + "|")
    for name in recipes:
        for count in counts:
            own = [ln for ln in lines if (ln["recipe"], ln["count"]) == (name, count)]
            means = concept_means(own, "score")
            cells = [f"{100 * means[c]:.0f}" if c in means else "" for c in concepts]
            if own:
                rows.append(f"| {name} | {count:,} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def compared(lines: Lines, recipes: Sequence[str]) -> str:
    """How many images the first recipe needs for the best mean of all others, over the concepts and
    seeds of that one; only counts at which a recipe has every concept are looked at."""
    ours, *others = recipes
    concepts = {line["concept"] for line in lines}
    peers = [(_score(own), -n, name) for name in others for n, own in _whole(lines, name, concepts)]
    if not peers:
        return "No other recipe has results for every concept yet."
    best, negative, name = max(peers)
    cases = _cases(ln for ln in lines if (ln["recipe"], ln["count"]) == (name, -negative))
    same = [line for line in lines if (line["concept"], line["seed"]) in cases]
    reached = [
        n for n, own in _whole(same, ours, concepts) if _cases(own) == cases and _score(own) >= best
    ]
    told = f"The best mean of another recipe is {100 * best:.0f} % ({name}, {-negative:,} images)"
    if not reached:
        return f"{told}; {ours} does not reach it in the same runs."
    fewer = f"{-negative / reached[0]:.1f} times fewer"
    return f"{told}; in the same runs {ours} reaches it with {reached[0]:,}, {fewer}."


def _whole(lines: Lines, recipe: str, concepts: Collection[str]) -> Iterator[tuple[int, Lines]]:
    """(count, its lines) of a recipe, from few images to many, where every concept is there."""
    own = [line for line in lines if line["recipe"] == recipe]
    for count in sorted({line["count"] for line in own}):
        found = [line for line in own if line["count"] == count]
        if {line["concept"] for line in found} == concepts:
            yield count, found


def _cases(lines: Iterable[SettingValues]) -> set[tuple[str, int]]:
    return {(line["concept"], line["seed"]) for line in lines}


def _score(lines: Lines) -> float:
    return _mean(concept_means(lines, "score"))
