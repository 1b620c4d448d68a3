"""What users see of the nodes: names, help, translations, workflows."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from tests.comfy.nodes import program
from tests.comfy.nodes.locales import LOCALES, english, written
from ti_core.options import about
from ti_core.train.config import (
    ComputeConfig,
    EmbeddingConfig,
    OptimizerConfig,
    OutputConfig,
    PreviewConfig,
    TextConfig,
)

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
LANGUAGES = ("en", "zh", "ja", "de")
LONG = ("sample_every_n_steps", "save_every_n_steps")
"""A1111's labels are too wide for a node."""


def schemas() -> dict[str, Any]:
    return {key: node.define_schema() for key, node in program.every_node().items()}


def test_there_are_nodes_for_the_whole_way() -> None:
    text = (ROOT / "docs" / "comfyui.md").read_text(encoding="utf-8")
    drawing = text.split("## From name to prompt")[1].split("```")[1]
    named = set(re.findall(r"[A-Z]\w+ [A-Z]\w+", drawing))
    assert len(named) == 10
    assert named <= {schema.display_name.partition(" (")[0] for schema in schemas().values()}


def test_every_node_has_our_prefix_our_category_and_words_to_find_it_by() -> None:
    for key, schema in schemas().items():
        assert re.fullmatch(r"TI_[A-Za-z]+", key)
        assert schema.category == "Textual Inversion"
        assert schema.description.endswith(".")
        assert len(schema.search_aliases) >= 3, key


def test_no_empty_field_shows_the_name_that_programs_use() -> None:
    """The front end takes an input's id where a text of several lines has no placeholder."""
    for key, schema in schemas().items():
        for each in schema.inputs:
            if getattr(each, "multiline", False):
                assert "_" not in (each.placeholder or "_"), (key, each.id)


def test_buttons_and_tabs_have_words_in_every_language() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "web").glob("*.js"))
    pairs = re.findall(r'\["([a-z]+)", "([^"]+)"\]', scripts)
    wanted = dict([*pairs, *re.findall(r'word\("(\w+)", "([^"]+)"\)', scripts)])
    assert len(wanted) >= 13
    seen = set()
    for language in LANGUAGES:
        found = json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))
        texts = found["textualInversion"]
        assert texts.keys() == wanted.keys()
        seen.add(tuple(texts.values()))
        if language == "en":
            assert texts == wanted
    assert len(seen) == len(LANGUAGES)


def test_every_input_and_output_has_a_tooltip_and_ids_are_unique() -> None:
    for key, schema in schemas().items():
        for each in (*schema.inputs, *schema.outputs):
            assert each.tooltip, (key, getattr(each, "id", each))
            assert each.tooltip.endswith("."), (key, each.tooltip)
        ids = [each.id for each in schema.inputs]
        assert len(set(ids)) == len(ids)


def test_a_seed_never_changes_by_itself() -> None:
    """ComfyUI would train again at each run."""
    for key, schema in schemas().items():
        for each in schema.inputs:
            if "seed" in each.id:
                assert each.control_after_generate is False, key


def test_widgets_say_what_the_settings_say() -> None:
    kinds = (
        OptimizerConfig,
        ComputeConfig,
        TextConfig,
        OutputConfig,
        PreviewConfig,
        EmbeddingConfig,
    )
    fields = {field.name: field for kind in kinds for field in dataclasses.fields(kind)}
    seen = 0
    for name in ("TI_TrainingSettings", "TI_AdvancedSettings", "TI_TrainingOptions"):
        for each in schemas()[name].inputs:
            if each.id in fields:
                known = about(fields[each.id])
                if each.id not in LONG:
                    assert each.display_name == known.label
                assert each.default == fields[each.id].default
                low, high = known.limits
                assert each.min is None or each.min == low
                assert each.max is None or each.max <= (high or each.max)
                seen += 1
    assert seen > 30


def test_nan_is_refused_before_a_run_for_every_number_with_a_point() -> None:
    """ComfyUI would keep it in its history, which browsers cannot read then."""
    for node in program.every_node().values():
        for each in node.define_schema().inputs:
            if each.io_type == "FLOAT":
                assert node.validate_inputs(**{each.id: each.default}) is True
                for value in (math.nan, math.inf, "1"):
                    assert each.id in node.validate_inputs(**{each.id: value})


# --- help and translations --------------------------------------------------------------------


def test_every_node_has_a_help_page_and_no_page_is_left_over() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("web/docs/*.md")}
    assert set(pages) == set(schemas())
    for key, schema in schemas().items():
        assert pages[key].startswith(f"# {schema.display_name}\n")


def test_english_texts_are_those_of_the_nodes() -> None:
    """If not: python -m tests.comfy.nodes.locales"""
    found = (LOCALES / "en" / "nodeDefs.json").read_text(encoding="utf-8")
    assert found == written(english())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_nothing_is_left_over(language: str) -> None:
    texts = json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))
    assert texts.keys() == english().keys()
    for key, wanted in english().items():
        found = texts[key]
        assert found["display_name"]
        assert found["description"]
        for part in ("inputs", "outputs"):
            assert found[part].keys() == wanted[part].keys(), (language, key)
            assert all(each["name"] and each["tooltip"] for each in found[part].values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_category_is_translated(language: str) -> None:
    texts = json.loads((LOCALES / language / "main.json").read_text(encoding="utf-8"))
    assert texts["nodeCategories"]["Textual Inversion"]


# --- workflows --------------------------------------------------------------------------------


def nodes_of(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    inner = workflow.get("definitions", {}).get("subgraphs", [])
    return [*workflow["nodes"], *(node for graph in inner for node in graph["nodes"])]


@pytest.mark.parametrize("path", [*WORKFLOWS, *BLUEPRINTS], ids=lambda path: path.stem)
def test_workflows_hold_what_the_nodes_take(path: Path) -> None:
    ours = [n for n in nodes_of(json.loads(path.read_text())) if n["type"].startswith("TI_")]
    assert ours
    for node in ours:
        schema = schemas()[node["type"]]
        widgets = [each for each in schema.inputs if hasattr(each, "default") and is_widget(each)]
        values = node.get("widgets_values") or []
        assert len(values) == len(widgets), node["type"]
        for value, widget in zip(values, widgets, strict=True):
            check_value(widget, value)
        names = {each.id for each in schema.inputs}
        assert {each["name"] for each in node["inputs"]} <= names


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_fields_of_a_blueprint_show_in_every_front_end(path: Path) -> None:
    """`proxyWidgets` is what front ends know from 1.28 on; before, an input's cable shows one."""
    workflow = json.loads(path.read_text())
    (outside,), (graph,) = workflow["nodes"], workflow["definitions"]["subgraphs"]
    assert [each["name"] for each in outside["inputs"]] == [e["name"] for e in graph["inputs"]]
    inside = {node["id"]: node for node in graph["nodes"]}
    cables = {(link["target_id"], link["target_slot"]): link for link in graph["links"]}
    for number, name in outside["properties"]["proxyWidgets"]:
        slots = inside[int(number)]["inputs"]
        slot = next(i for i, each in enumerate(slots) if each["name"] == name)
        cable = cables[int(number), slot]
        source = graph["inputs"][cable["origin_slot"]]
        assert cable["origin_id"] == graph["inputNode"]["id"]
        assert slots[slot]["link"] == cable["id"] == source["linkIds"][0]
        assert (source["name"], source["type"]) == (name, cable["type"])
        assert next(e for e in outside["inputs"] if e["name"] == name)["widget"]["name"] == name


def is_widget(each: Any) -> bool:
    return each.io_type in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO") and not each.force_input


def check_value(widget: Any, value: Any) -> None:
    if widget.io_type in ("INT", "FLOAT"):
        assert widget.min is None or value >= widget.min
        assert widget.max is None or value <= widget.max
    elif widget.io_type == "COMBO" and widget.id not in ("folder", "file"):
        assert value in widget.options
    else:
        assert isinstance(value, (str, bool))


def test_there_is_a_workflow_for_each_way_of_use_with_a_picture_of_it() -> None:
    names = {path.stem for path in WORKFLOWS}
    assert len(names) == 9
    words = (
        "sd15",
        "sdxl",
        "negative",
        "resume",
        "compare",
        "core",
        "older",
        "hypernetwork",
        "subject",
    )
    for word in words:
        assert any(word in name for name in names), word
    for path in WORKFLOWS:
        assert 0 < path.with_suffix(".jpg").stat().st_size < 60_000


def test_no_workflow_names_a_file_of_somebodys_machine() -> None:
    for path in (*WORKFLOWS, *BLUEPRINTS):
        assert not re.search(r"/(home|work|tmp|Users)/|[A-Z]:\\\\", path.read_text()), path
