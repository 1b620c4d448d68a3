"""What the previews ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from ti_core.errors import ConfigError, DataError
from ti_core.hosts.fake import FakeHost
from ti_core.port.session import PreviewRequest
from ti_core.train.events import PreviewReady
from ti_core.train.loop import train
from ti_core.train.plan import make_plan
from ti_core.train.previews import preview_requests, with_prompt, without_words

from ..conftest import Configure
from .spoiled import Log


def requests(configure: Configure, prompts: str) -> list[PreviewRequest]:
    config = configure(sample_prompts=prompts, sample_seed=7, clip_skip=2)
    return preview_requests(config, (64, 128), "DDIM")


def test_a_plain_prompt_takes_everything_from_the_settings(configure: Configure) -> None:
    (found,) = requests(configure, "a picture of [name]")
    assert found.prompt == "a picture of zz-thing"
    assert (found.width, found.height, found.seed, found.sampler) == (64, 128, 7, "DDIM")
    assert (found.steps, found.cfg_scale, found.text.clip_skip) == (20, 7.0, 2)


def test_a_line_may_end_with_options_in_kohya_s_way(configure: Configure) -> None:
    line = "[name] in a box --n blurry, [name]'s dog --w 128 --h 64 --d 3 --l 4.5 --s 9"
    (found,) = requests(configure, line)
    assert found.prompt == "zz-thing in a box"
    assert found.negative_prompt == "blurry, zz-thing's dog"
    assert (found.width, found.height, found.seed) == (128, 64, 3)
    assert (found.cfg_scale, found.steps) == (4.5, 9)


@pytest.mark.parametrize("negative", ["-:", "-ugly, -1", "- -", "-n"])
def test_a_negative_prompt_may_begin_with_a_sign(configure: Configure, negative: str) -> None:
    (found,) = requests(configure, f"[name] --n {negative} --w 128")
    assert (found.negative_prompt, found.width) == (negative, 128)


@pytest.mark.parametrize("line", ["it's [name]", "a -- b", '"[name]', "(a:1.2) [b]", "a--b"])
def test_signs_in_a_prompt_are_kept(configure: Configure, line: str) -> None:
    if " --" in line:
        with pytest.raises(ConfigError):
            requests(configure, line)
    else:
        assert requests(configure, line)[0].prompt == line.replace("[name]", "zz-thing")


@pytest.mark.parametrize("line", ["a --w big", "a --x 5", "a --n", "a --d", "a --wid 8"])
def test_an_option_that_cannot_be_read_is_a_config_error(configure: Configure, line: str) -> None:
    with pytest.raises(ConfigError, match="preview prompt"):
        requests(configure, line)


def test_a_text_file_holds_one_prompt_a_line(configure: Configure, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeffa [name]\n\n# no\nb --d 5\r\n".encode())
    found = requests(configure, str(path))
    assert [(r.prompt, r.seed) for r in found] == [("a zz-thing", 7), ("b", 5)]


def test_prompts_that_a_windows_editor_has_saved_are_read(
    configure: Configure, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("a [name] käse\r\na dog\r\n".encode("utf-16"))
    assert [request.prompt for request in requests(configure, str(path))] == [
        "a zz-thing käse",
        "a dog",
    ]


@pytest.mark.parametrize("prompts", ["", "  ", "\n"])
def test_without_a_prompt_there_is_one_request_that_waits_for_it(
    configure: Configure, tmp_path: Path, prompts: str
) -> None:
    path = tmp_path / "none.txt"
    path.write_text(f"# nothing\n{prompts}")
    for given in (prompts, str(path)):
        (found,) = requests(configure, given)
        shown = with_prompt(found, "a (zz-thing)", configure(clip_skip=2))
        assert (shown.prompt, shown.seed) == ("a (zz-thing)", 7)
        assert (shown.text.emphasis, shown.text.clip_skip) == (False, 2), "as it is trained on"
    (own,) = requests(configure, "a dog --d 5")
    assert with_prompt(own, "a (zz-thing)", configure()) == own


def test_a_missing_file_is_a_data_error(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"prompts\.txt"):
        requests(configure, str(tmp_path / "prompts.txt"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--w 100 --h 30", "a preview of 96x24 pixels cannot be made"),
        ("--w 100000", "a preview of 100000x"),
        ("--h -64", "cannot be made"),
        ("--s 0", "`sample_steps` is 0"),
        ("--s 100000", "`sample_steps` is 100000"),
        ("--l nan", "`sample_cfg_scale` is nan"),
        ("--d -1", "`sample_seed` is -1"),
    ],
)
def test_what_no_picture_can_have_is_found_before_the_start(
    configure: Configure, options: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        make_plan(configure(sample_prompts=f"a [name] {options}"), FakeHost())


# --- kohya's lines and files in full ----------------------------------------------------------


def test_a_line_names_its_sampler_as_kohya_or_a1111_do(configure: Configure) -> None:
    lines = "a --ss euler_a\nb --SS DPM++ 2M Karras\nc --ss k_dpm_2 --S 9\nd"
    assert [(r.prompt, r.sampler) for r in requests(configure, lines)] == [
        ("a", "Euler a"),
        ("b", "DPM++ 2M Karras"),
        ("c", "DPM2"),
        ("d", "DDIM"),
    ]


def test_a_sampler_that_the_host_lacks_is_told_before_training(configure: Configure) -> None:
    with pytest.raises(ConfigError, match="no sampler 'DPM2'"):
        make_plan(configure(sample_prompts="a --ss dpm_2"), FakeHost())
    plan = make_plan(configure(sample_prompts="a --ss ddim", sample_sampler="k_euler"), FakeHost())
    assert plan.previews[0].sampler == "DDIM"


def test_options_for_other_kinds_of_models_change_nothing(configure: Configure) -> None:
    line = "a --g 3.5 --fs 3 --ctr 0.25 --rcfg 1 --cn picture.png --w 130 --h 71"
    (found,) = requests(configure, line)
    assert (found.cfg_scale, found.width, found.height) == (7.0, 128, 64)


TOML = """
[prompt]
width = 128
height = 64
negative_prompt = "blurry"
guidance_scale = 3.5

[[prompt.subset]]
prompt = "a [name]"
seed = 5
sample_sampler = "euler_a"

[[prompt.subset]]
prompt = "b"
width = 64
scale = 4.5
sample_steps = 9
"""


def test_a_toml_file_of_kohyas_holds_prompts(configure: Configure, tmp_path: Path) -> None:
    path = tmp_path / "prompts.toml"
    path.write_text(TOML)
    one, two = requests(configure, str(path))
    assert (one.prompt, one.negative_prompt, one.seed) == ("a zz-thing", "blurry", 5)
    assert (one.width, one.height, one.sampler) == (128, 64, "Euler a")
    assert (two.prompt, two.width, two.cfg_scale, two.steps) == ("b", 64, 4.5, 9)


def test_a_json_file_of_kohyas_holds_prompts(configure: Configure, tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text('["a [name] --d 5", {"prompt": "b\\nc", "seed": 6, "enum": 1}]')
    assert [(r.prompt, r.seed) for r in requests(configure, str(path))] == [
        ("a zz-thing", 5),
        ("b c", 6),
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.json", '{"a": 1}', "contains no prompts"),
        ("p.json", "[1]", "holds 1"),
        ("p.json", '[{"prompt": "a", "sed": 1}]', "did you mean seed"),
        ("p.json", '[{"prompt": ["a"]}]', "prompt is"),
        ("p.json", '[{"prompt": "a --d 4"}]', "holds ' --'"),
        ("p.json", "[" * 100_000, "cannot read"),
        ("p.json", '[{"prompt": "a", "seed": 1' + "0" * 5000 + "}]", "cannot read"),
        ("p.json", "[" + '"a",' * 2000 + '"a"]', "more than 1000 prompts"),
        ("p.toml", "prompt = 1", "contains no prompts"),
        ("p.toml", "[prompt]\nsubset = 3", "contains no prompts"),
        ("p.toml", "[[prompt.subset]\n", "cannot read"),
    ],
)
def test_a_file_that_is_no_list_of_prompts_is_told(
    configure: Configure, tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=re.escape(told)):
        requests(configure, str(tmp_path / name))


def test_a_negative_embedding_is_previewed_where_it_is_used(configure: Configure) -> None:
    lines = "a red picture of [name]\na cat --n blurry\na dog --n [name], bad"
    config = configure(sample_prompts=lines, sample_negative=True)
    found = preview_requests(config, (64, 128), "DDIM")
    assert [(each.prompt, each.negative_prompt) for each in found] == [
        ("a red picture of", "zz-thing"),
        ("a cat", "blurry, zz-thing"),
        ("a dog", "zz-thing, bad"),
    ]
    plain = [without_words(each, ["zz-thing"]).negative_prompt for each in found]
    assert plain == ["", "blurry", "bad"]


def test_a_preview_in_the_negative_prompt_has_the_plain_picture_beside_it(
    configure: Configure,
) -> None:
    log, host = Log(), FakeHost()
    settings = {"sample_every_n_steps": 10, "sample_steps": 2, "learning_rate": "0.5"}
    config = configure(**settings, sample_prompts="a cat", sample_negative=True)
    train(config, host, log)
    shown = [Image.open(each.path) for each in log.of(PreviewReady)]
    width = shown[0].width // 2
    left = [image.crop((0, 0, width, image.height)).tobytes() for image in shown]
    right = [image.crop((width, 0, 2 * width, image.height)).tobytes() for image in shown]
    for image in shown:
        assert "Negative prompt: zz-thing" in image.info["parameters"]
        image.close()
    assert len(set(left)) == 1
    assert len({*left, *right}) == 3


def test_a_negative_preview_that_cannot_be_is_rejected(configure: Configure) -> None:
    with pytest.raises(ConfigError, match="needs prompts of its own"):
        make_plan(configure(sample_prompts="", sample_negative=True), FakeHost())
