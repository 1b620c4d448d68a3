"""`ti generate` and `ti create`: embeddings by name, A1111's infotext."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ti_core.files.reading import read_embedding
from ti_core.files.writing import write_embedding
from ti_core.hosts.fake import FakeHost
from ti_core.hypernetworks.writing import write_hypernetwork

from ..hypernetworks.made import hypernetwork

Ti = Callable[..., tuple[int, str, str]]


def picture(ti: Ti, *arguments: object) -> Image.Image:
    code, out, err = ti("generate", "--seed", 7, *arguments)
    assert code == 0, err
    return Image.open(out.splitlines()[-1])


def same(a: Image.Image, b: Image.Image) -> bool:
    return bool((np.asarray(a) == np.asarray(b)).all())


def test_untrained_embedding_of_a_word_gives_the_words_picture(ti: Ti) -> None:
    assert ti("create", "--token_string", "my-tree", "--init_word", "tree")[0] == 0
    word = picture(ti, "--prompt", "a tall tree")
    embedded = picture(ti, "--prompt", "a tall my-tree", "--embeddings_dir", "embeddings")
    assert same(word, embedded)
    assert same(word, picture(ti, "--prompt", "a tall my-tree")), "the folder of ti create is used"


def test_another_folder_takes_the_place_of_the_usual_one(ti: Ti, tmp_path: Path) -> None:
    assert ti("create", "--token_string", "my-tree", "--init_word", "tree")[0] == 0
    (tmp_path / "others").mkdir()
    embedded = picture(ti, "--prompt", "a tall my-tree")
    without = picture(ti, "--prompt", "a tall my-tree", "--embeddings_dir", "others")
    assert not same(embedded, without)


def test_several_embeddings_work_in_both_prompts(ti: Ti) -> None:
    for name, word in (("my-tree", "tree"), ("my-dog", "dog"), ("my-fog", "fog")):
        ti("create", "--token_string", name, "--init_word", word)
    words = picture(ti, "--prompt", "tree, dog", "--negative_prompt", "fog")
    files = [f"embeddings/{name}.safetensors" for name in ("my-tree", "my-dog", "my-fog")]
    embedded = picture(
        ti, "--prompt", "my-tree, MY-DOG", "--negative_prompt", "my-fog", "--embeddings", *files
    )
    assert same(words, embedded)


def test_emphasis_reaches_an_embedding(ti: Ti) -> None:
    ti("create", "--token_string", "my-tree", "--init_word", "tree")
    use = ("--embeddings_dir", "embeddings")
    plain = picture(ti, "--prompt", "my-tree", *use)
    assert not same(plain, picture(ti, "--prompt", "(my-tree:1.4)", *use))
    assert not same(plain, picture(ti, "--prompt", "[my-tree]", *use))


def test_infotext_is_a1111s(ti: Ti) -> None:
    ti("create", "--token_string", "my-tree", "--init_word", "tree")
    image = picture(
        ti, "--prompt", "my-tree", "--negative_prompt", "fog", "--W", 72, "--H", 80,
        "--steps", 3, "--scale", 5.5, "--embeddings_dir", "embeddings",
    )  # fmt: skip
    prompt, negative, last = image.text["parameters"].split("\n")  # type: ignore[attr-defined]
    assert (prompt, negative) == ("my-tree", "Negative prompt: fog")
    assert last.startswith("Steps: 3, Sampler: Euler, CFG scale: 5.5, Seed: 7, Size: 72x80, ")
    assert 'TI hashes: "my-tree: ' in last
    assert image.size == (72, 80)


def test_pictures_are_numbered_and_have_rising_seeds(ti: Ti) -> None:
    ti("generate", "--prompt", "a", "--seed", 5, "--images_per_prompt", 2)
    ti("generate", "--prompt", "a", "--seed", 5)
    names = sorted(p.name for p in Path("outputs").iterdir())
    assert names == ["00000-5.png", "00001-6.png", "00002-5.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--W", "100"], 2, "multiples of 8"),
        (["--sampler", "Magic"], 2, "there is no sampler 'Magic'"),
        (["--embeddings", "no.pt"], 1, "there is no embedding"),
        (["--steps", "0"], 2, "the smallest possible value is 1"),
    ],
)
def test_bad_input_is_one_sentence(ti: Ti, arguments: list[str], code: int, message: str) -> None:
    given, _, err = ti("generate", "--prompt", "a", *arguments)
    assert (given, message in err, err.count("\n")) == (code, True, 1)


def test_create_refuses_a_taken_name(ti: Ti) -> None:
    ti("create", "--token_string", "my-tree")
    code, _, err = ti("create", "--token_string", "my-tree")
    assert (code, "exists already" in err) == (2, True)
    assert ti("create", "--token_string", "my-tree", "--overwrite")[0] == 0


def test_create_warns_of_words_and_zeros(ti: Ti) -> None:
    _, _, err = ti("create", "--token_string", "tree", "--init_word", "")
    assert "warning: 'tree' is already a word" in err
    assert "warning: --init_word is empty" in err


def test_only_the_embeddings_that_a_prompt_uses_are_in_the_infotext(ti: Ti) -> None:
    for name in ("my-tree", "my-fog", "my-dog"):
        ti("create", "--token_string", name, "--init_word", "tree")
    files = [f"embeddings/{name}.safetensors" for name in ("my-tree", "my-fog", "my-dog")]
    options = ("--negative_prompt", "my-fog", "--embeddings", *files)
    image = picture(ti, "--prompt", "a my-tree", *options)
    text = image.text["parameters"]  # type: ignore[attr-defined]
    assert "my-tree: " in text
    assert "my-fog: " in text
    assert "my-dog: " not in text


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a my-tere", "there is no embedding my-tere: its letters are used; did you mean my-tree?"),
        ("a (my-treee:1.2)", "did you mean my-tree?"),
        ("embedding:my-treee", "did you mean my-tree?"),
        ("embedding:zebra", "there is no embedding zebra: its letters are used; check the name"),
        ("a tree", "the prompt does not name my-tree"),
    ],
)
def test_a_mistyped_name_is_told_with_the_nearest(ti: Ti, prompt: str, told: str) -> None:
    ti("create", "--token_string", "my-tree", "--init_word", "tree")
    use = ("--embeddings", "embeddings/my-tree.safetensors")
    code, _, error = ti("generate", "--prompt", prompt, "--steps", 1, *use)
    assert code == 0
    assert f"warning: {told}" in error or told in error


def test_of_prompts_that_are_right_only_the_words_are_told(ti: Ti) -> None:
    ti("create", "--token_string", "my-tree", "--init_word", "tree")
    use = ("--embeddings_dir", "embeddings")
    used = "my-tree is used: characters {} to {}, chunk 1, vectors for clip_l 1\n"
    for prompt, places in (("a my-tree, a tree", (3, 9)), ("MY-TREE", (1, 7)), ("trees", None)):
        told = ti("generate", "--prompt", prompt, "--steps", 1, *use)[2]
        assert told == (f"prompt: {used.format(*places)}" if places else "")
    told = ti("generate", "--negative_prompt", "embedding:my-tree", "--steps", 1, *use)[2]
    assert told == f"negative prompt: {used.format(11, 17)}"
    assert "did you mean my-tree?" in ti("from-text", "a my-tere", "--out", "x.pt", *use)[2]
    assert (
        "did you mean my-tree?"
        in ti("merge", "my-tere", "--out", "x.pt", *use)[2]
        + ti("merge", "mytree", "--out", "y.pt", *use)[2]
    )


def test_an_embedding_of_another_model_is_warned_of(ti: Ti) -> None:
    ti("create", "--token_string", "own", "--init_word", "tree")
    path = Path("embeddings/own.safetensors")
    used = ("generate", "--prompt", "an own", "--embeddings_dir", "embeddings")
    assert "was made on" not in ti(*used)[2]
    found = read_embedding(path)
    write_embedding(
        path, replace(found, metadata={**found.metadata, "ti.base_model_hash": "a" * 10})
    )
    assert "warning: own was made on fake [aaaaaaaaaa], and this model is fake" in ti(*used)[2]
    assert "was made on" not in ti("generate", "--prompt", "a tree", *used[3:])[2]


def test_hypernetworks_are_called_as_in_a1111(ti: Ti, fake_host: FakeHost) -> None:
    width = sum(fake_host.describe().widths.values())
    for name, start in (("warm", 1.0), ("cold", 2.0)):
        made = hypernetwork(name, width, activation="swish")
        put = {key: each * 0.1 * start for key, each in made.tensors.items()}
        write_hypernetwork(Path(f"nets/sub/{name}.pt"), replace(made, tensors=put))
    use, plain = ("--hypernetwork_dir", "nets"), picture(ti, "--prompt", "a tree")
    warm = picture(ti, "--prompt", "a tree<hypernet:warm:0.7>", *use)
    assert warm.info["parameters"].startswith("a tree<hypernet:warm:0.7>\n")
    assert not same(plain, warm)
    listed = ("--hypernetworks", "nets/sub/warm.pt")
    assert same(warm, picture(ti, "--prompt", "<hypernet:warm:0.7>a tree", *listed))
    assert same(plain, picture(ti, "--prompt", "a tree<hypernet:warm:0>", *use))
    assert not same(warm, picture(ti, "--prompt", "a tree<hypernet:warm>", *use))
    both = [
        picture(ti, "--prompt", f"a tree<hypernet:{one}:1><hypernet:{two}:-1>", *use)
        for one, two in (("warm", "cold"), ("cold", "warm"))
    ]
    assert not same(*both)


def test_hypernetworks_that_cannot_be_called_are_told(ti: Ti, fake_host: FakeHost) -> None:
    write_hypernetwork(Path("nets/warm.pt"), hypernetwork("warm", 5))
    use = ("--hypernetwork_dir", "nets")
    code, _, err = ti("generate", "--prompt", "<hypernet:warn:1>", *use)
    assert code == 2
    assert "no hypernetwork 'warn'" in err
    assert "warm" in err
    code, _, err = ti("generate", "--prompt", "<hypernet:warm:strong>", *use)
    assert code == 2
    assert "'strong' is not a number" in err
    code, _, err = ti("generate", "--prompt", "a tree <hypernet:warm:1>", *use)
    assert code == 0
    assert "warm: made for another kind of model" in err
    assert ti("generate", "--prompt", "a", "--hypernetwork_dir", "gone")[0] == 2
