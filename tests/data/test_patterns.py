"""A pattern is matched as Python matches it, or refused; it never takes for ever."""

from __future__ import annotations

import re
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ti_core.data.captions import file_words
from ti_core.data.patterns import Pattern
from ti_core.errors import ConfigError

LONG = "a" * 240 + "!"
CATASTROPHES = [
    *(r"(a+)+$", r"(a*)*$", r"(a|a)*$", r"(a|aa)+$", r"(?:a?){60}a{60}$", r"((a+)b?)+$"),
    *(r"(.*a){25}$", r"(?=(a+)+$)b", r"a*a*a*a*a*a*a*a*$", "a?" * 80 + "a" * 239 + "$"),
    *(r"(?:(?:){60000}){60000}", r"(?:){2000000000}x", r"(?:(?:(?:a{999}){999}){999}){999}"),
]


@pytest.mark.parametrize("pattern", CATASTROPHES)
@pytest.mark.parametrize("installed", [True, False])
def test_whatever_a_pattern_asks_for_it_takes_seconds(
    pattern: str, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "regex", None)
    start = time.process_time()
    try:
        file_words(LONG, pattern)
    except ConfigError as error:
        assert "`filename_word_regex`" in error.what  # noqa: PT017 - it may also be matched
    assert time.process_time() - start < 10


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(?:a?){60}a{60}$"])
def test_without_a_time_limit_such_a_pattern_is_refused_with_advice(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(ConfigError, match=r"too many ways; leave out repetitions .* regex"):
        Pattern(pattern, "it").find_all(LONG)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        r"[a-z]+",
        r"([a-z])([a-z]+)",
        r"(\w+)-(\w+)",
        r"\b\w+\b",
        r"[^,]+",
        r"\d{1,3}",
        "cat",
    ],
)
def test_usual_patterns_need_no_other_package(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    text = "00-a red cat, in-side_" * 10
    expected = [m if isinstance(m, str) else "".join(m) for m in re.findall(pattern, text)]
    assert Pattern(pattern, "it").find_all(text) == expected


@given(st.text("ab", max_size=12), st.sampled_from([r"(a|b)+", r"(a+b?)+", r"(?:ab|a|b){2,3}"]))
@settings(deadline=None)
def test_the_other_engine_finds_the_same(text: str, pattern: str) -> None:
    expected = [m if isinstance(m, str) else "".join(m) for m in re.findall(pattern, text)]
    assert Pattern(pattern, "it").find_all(text) == expected


@pytest.mark.parametrize("pattern", ["(", "[", "a{99999999999999}", "(" * 5000, "a" * 1001])
def test_what_is_not_a_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"^it "):
        Pattern(pattern, "it")


@pytest.mark.parametrize("pattern", [r"a", r"(?:a|a)+"])
def test_replacements_are_the_same_by_both_engines_and_wrong_ones_are_told(pattern: str) -> None:
    assert Pattern(pattern, "it", ignore_case=True).replace("x", "A!") == ("x!", 1)
    assert Pattern(f"({pattern})", "it").replace(r"<\1>", "a!") == ("<a>!", 1)
    with pytest.raises(ConfigError, match="does not fit"):
        Pattern(pattern, "it").replace(r"\9", "a")


def test_a_search_through_long_captions_takes_seconds() -> None:
    start = time.process_time()
    with pytest.raises(ConfigError):
        Pattern(r"(a+)+$", "the search").replace("b", "a" * 100_000 + "!")
    assert time.process_time() - start < 10
