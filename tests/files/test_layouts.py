"""What a dictionary of tensors means."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from ti_core.errors import EmbeddingError
from ti_core.files.layouts import Term, recognised

L = torch.arange(6.0).reshape(2, 3)
G = torch.arange(10.0).reshape(2, 5)
T5 = torch.ones(2, 7)


def found(content: object) -> list[Term]:
    return recognised(content, "x.pt")


def only(content: object) -> Term:
    (term,) = found(content)
    return term


def same(tables: dict[str, Any], **wanted: Tensor) -> bool:
    return tables.keys() == wanted.keys() and all(torch.equal(tables[k], wanted[k]) for k in wanted)


# --- one embedding ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(
            {"string_to_param": {"*": L}, "name": "my-cat", "step": 5}, "my-cat", id="a1111"
        ),
        pytest.param({"string_to_param": {"*": L}}, "", id="LDM, its usual placeholder"),
        pytest.param({"string_to_param": {"<cat>": L}}, "<cat>", id="LDM, any placeholder"),
        pytest.param({"string_to_param": {"_parameters": {"*": L}}}, "", id="torch 1.11 in 1.12"),
        pytest.param({"string_to_param.*": L}, "", id="ComfyUI's flat form"),
        pytest.param({"emb_params": L}, "", id="kohya, invoke-training"),
        pytest.param({"emp_params": L}, "", id="OneTrainer, with its slip of the pen"),
        pytest.param({"clip_l": L}, "", id="OneTrainer SD1 in ComfyUI's words"),
        pytest.param({"clip_h": L}, "", id="ComfyUI SD2"),
        pytest.param({"text_encoders_0": L}, "", id="first scripts of diffusers, SD1"),
        pytest.param({"<cat>": L}, "<cat>", id="diffusers"),
        pytest.param(OrderedDict({"<cat>": L, "step": 5}), "<cat>", id="a number beside it"),
        pytest.param({"<cat>": L[0], "<cat>_1": L[1]}, "<cat>", id="a row for every token"),
        pytest.param({"<cat>_1": L[1:], "<cat>": L[:1]}, "<cat>", id="in another order"),
        pytest.param([{"<cat>": L}], "<cat>", id="a list of one"),
        pytest.param(L, "", id="the rows alone"),
    ],
)
def test_an_embedding_of_one_encoder_is_recognised(content: object, name: str) -> None:
    term = only(content)
    assert term.name == name
    assert same(term.tables, emb_params=L)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"clip_l": L, "clip_g": G}, id="kohya, OneTrainer, ai-toolkit"),
        pytest.param({"clip_g": G, "clip_l": L}, id="in another order"),
        pytest.param({"text_encoders_0": L, "text_encoders_1": G}, id="first scripts of diffusers"),
        pytest.param([{"<cat>": L}, {"<cat>": G}], id="a list of both halves"),
        pytest.param([{"<cat>": G}, {"<cat>": L}], id="a list in another order"),
    ],
)
def test_an_sdxl_embedding_is_recognised(content: object) -> None:
    assert same(only(content).tables, clip_l=L, clip_g=G)


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (
            {"clip_l": L, "clip_g": G, "clip_l_out": L, "clip_g_out": G},
            "clip_l clip_g clip_l_out clip_g_out",
        ),
        ({"clip_l": L, "clip_g": G, "t5xxl": T5}, "clip_l clip_g t5xxl"),
        ({"clip_l": L, "t5": T5, "t5_out": T5}, "clip_l t5xxl t5xxl_out"),
        ({"emp_params": L, "emp_params_out": L}, "emb_params emb_params_out"),
        ({"clip_l": L, "clip_l_out": L}, "emb_params emb_params_out"),
        ({"llama": T5, "clip_l": L}, "clip_l llama"),
        ({"t5": torch.ones(2, 4096)}, "t5xxl"),
        ({"gemma": torch.ones(2, 2304), "gemma_out": L}, "gemma2_2b gemma2_2b_out"),
        ({"qwen3_4b": torch.ones(2, 2560)}, "qwen3_4b"),
        ({"t5xxl": L}, "t5xxl"),
        ({"bundle_emb.a.t5": torch.ones(2, 4096), "bundle_emb.a.clip_l": L}, "clip_l t5xxl"),
    ],
)  # fmt: skip
def test_every_table_is_kept_under_the_key_that_comfyui_looks_for(content: Any, keys: str) -> None:
    assert list(only(content).tables) == keys.split()


@pytest.mark.parametrize("word", ["t5", "gemma", "llama"])
def test_a_cat_may_be_called_like_a_text_encoder(word: str) -> None:
    term = only({word: L})
    assert (term.name, list(term.tables)) == (word, ["emb_params"])


# --- several embeddings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"string_to_param": {"<a>": L, "<b>": L + 1}, "name": "merged"},
        {"<a>": L, "<b>": L + 1},
    ],
)
def test_several_terms_are_all_found(content: object) -> None:
    terms = found(content)
    assert [term.name for term in terms] == ["<a>", "<b>"]
    assert same(terms[1].tables, emb_params=L + 1)


def test_numbers_are_joined_only_when_they_count_rows_without_a_gap() -> None:
    row = L[:1]
    assert {t.name for t in found({"a": row, "a_2": row})} == {"a", "a_2"}
    assert {t.name for t in found({"a": L, "a_1": L})} == {"a", "a_1"}
    names = {t.name: len(t.tables["emb_params"]) for t in found({"a": row, "a_1": row, "b": row})}
    assert names == {"a": 2, "b": 1}


def test_what_is_bundled_with_a_lora_is_found_under_its_name() -> None:
    """OneTrainer; names may have dots."""
    lora = {"lora_unet_x.lora_up.weight": torch.ones(4, 2), "lora_unet_x.alpha": torch.tensor(1.0)}
    terms = found(
        {
            **lora,
            "bundle_emb.a.string_to_param.*": L,
            "bundle_emb.my.cat.emb_params": L,
            "bundle_emb.xl.clip_l": L,
            "bundle_emb.xl.clip_g": G,
            "bundle_emb.xl.clip_l_out": L,
        }
    )
    a, cat, xl = terms
    assert (a.name, cat.name, xl.name) == ("a", "my.cat", "xl")
    assert same(a.tables, emb_params=L)
    assert same(xl.tables, clip_l=L, clip_g=G, clip_l_out=L)


def test_several_words_in_one_bundle_keep_their_own() -> None:
    start = "bundle_emb.a.string_to_param."
    assert [term.name for term in found({f"{start}<x>": L, f"{start}<y>": L})] == ["a.<x>", "a.<y>"]


words = st.text(st.characters(exclude_characters="_.", exclude_categories=["Cs"]), min_size=1)


@given(st.sets(words, min_size=1, max_size=6), st.integers(1, 3))
def test_any_tokens_of_one_width_are_terms(names: set[str], count: int) -> None:
    content = {name: torch.full((count, 4), float(i)) for i, name in enumerate(sorted(names))}
    terms = {term.name: term.tables["emb_params"] for term in found(content)}
    assert same(terms, **content)


# --- no embedding -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "not a dictionary"),
        ([], "not a dictionary"),
        ([L], "not a dictionary"),
        ([{"a": L}, 5], "not a dictionary"),
        ([{"a": L, "b": L}, {}], "not a dictionary"),
        ({}, "0 tensors"),
        ({"string_to_param": {}}, "0 tensors"),
        ({"string_to_param": {"*": 5}}, "0 tensors"),
        ({"string_to_param": 5}, "0 tensors"),
        ({"a": L, "b": G}, "2 tensors"),
        ({"a": L, "b": L.long()}, "2 tensors"),
        ({"a": L, "b": torch.ones(1, 2, 3)}, "2 tensors"),
        ({"clip_l_out": L, "clip_g_out": G}, "for the output of text encoders"),
        ({"t5_out": torch.ones(2, 4096)}, "for the output of text encoders"),
        ({"t5": torch.ones(2, 4096), "t5xxl": torch.ones(2, 4096)}, "two tables for one"),
        ({"emb_params": L, "emp_params": L}, "two tables for one"),
        ({"state_dict": {"a": L}}, "a checkpoint"),
        ({768: [L], 320: [L]}, "a hypernetwork"),
        ({"lora_unet_a.lora_up.weight": L, "lora_unet_a.lora_down.weight": L}, "a LoRA"),
        ({"unet.a.weight": L, "unet.b.weight": L}, "a LoRA"),
    ],
)
def test_what_is_no_embedding_is_told_with_the_likely_mistake(content: Any, why: str) -> None:
    with pytest.raises(EmbeddingError, match=r"x\.pt contains no embedding") as caught:
        found(content)
    assert why in caught.value.why


nests = st.recursive(
    st.sampled_from([None, 5, "x", L, G, L[0], L.long(), torch.tensor(1.0)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "string_to_param _parameters * name clip_l clip_g clip_l_out emb_params <a> <a>_1 "
                "bundle_emb.a.clip_l bundle_emb.a.string_to_param.* text_encoders_0".split()
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(nests)
@example([{"clip_l": None}, {"clip_l": L}])
def test_any_content_is_recognised_or_refused_and_never_crashes(content: object) -> None:
    try:
        terms = found(content)
    except EmbeddingError:
        return
    assert terms
    keys = {frozenset(term.tables) for term in terms}
    known = {"emb_params", "clip_l", "clip_g"}
    assert all({key.removesuffix("_out") for key in each} <= known for each in keys)
    assert all(not all(key.endswith("_out") for key in each) for each in keys)
