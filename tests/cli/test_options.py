"""Options are made from the config dataclasses, under kohya's and diffusers' names."""

from __future__ import annotations

import pytest

from ti_core.cli.train import RunConfig, parser
from ti_core.errors import ConfigError
from ti_core.options import about, leaves, make_config
from ti_core.train.config import TrainConfig

KOHYA = """
    pretrained_model_name_or_path train_data_dir token_string init_word num_vectors_per_token
    weights use_object_template use_style_template debug_dataset resolution train_batch_size
    max_train_steps learning_rate lr_scheduler lr_warmup_steps gradient_accumulation_steps
    max_grad_norm mixed_precision seed clip_skip output_dir output_name logging_dir
    save_every_n_steps sample_every_n_steps sample_at_first sample_prompts resume
    caption_extension v_parameterization
""".split()
DIFFUSERS = {
    "placeholder_token": "token_string",
    "initializer_token": "init_word",
    "num_vectors": "num_vectors_per_token",
    "save_steps": "save_every_n_steps",
    "checkpointing_steps": "save_state_every_n_steps",
    "validation_steps": "sample_every_n_steps",
    "validation_prompt": "sample_prompts",
    "resume_from_checkpoint": "resume",
}


def names_of_options() -> set[str]:
    return {name[2:] for action in parser()._actions for name in action.option_strings}


def test_kohya_scripts_find_their_options() -> None:
    assert set(KOHYA) <= names_of_options()


@pytest.mark.parametrize(("theirs", "ours"), DIFFUSERS.items())
def test_diffusers_names_are_accepted(theirs: str, ours: str) -> None:
    assert parser().read([f"--{theirs}", "5"]) in ({ours: 5}, {ours: "5"})


def test_setting_names_are_unique_over_all_groups() -> None:
    names = [path[-1] for kind in (TrainConfig, RunConfig) for path, _ in leaves(kind)]
    assert len(names) == len(set(names))


def test_every_setting_explains_itself() -> None:
    for _, item in leaves(TrainConfig):
        assert about(item).help
        assert about(item).label


def test_hyphens_are_taken_for_underscores_but_values_are_left_alone() -> None:
    typed = parser().read(["--token-string", "my-cat", "--train-data-dir=a-b"])
    assert typed == {"token_string": "my-cat", "train_data_dir": "a-b"}


def test_only_typed_options_replace_saved_settings() -> None:
    saved = {"embedding": {"token_string": "a", "num_vectors_per_token": 3}}
    config = make_config(TrainConfig, {"token_string": "b"}, saved)
    assert (config.name, config.embedding.num_vectors_per_token) == ("b", 3)
    assert saved["embedding"]["token_string"] == "a"


@pytest.mark.parametrize(
    ("text", "size"), [("512", (512, 512)), ("448,640", (448, 640)), ("448x640", (448, 640))]
)
def test_resolution_is_read_as_kohya_does(text: str, size: tuple[int, int]) -> None:
    assert parser().read(["--resolution", text])["resolution"] == size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lerning_rate", "1"], "unknown option --lerning_rate; did you mean --learning_rate?"),
        (["pictures"], "unexpected word pictures"),
        (["--max_train_steps", "many"], "--max_train_steps: invalid int value: 'many'"),
        (["--resolution", "a"], "--resolution"),
        (["--resize_mode", "wild"], "--resize_mode: invalid choice: 'wild'"),
        (["--lr_scheduler", "wild"], "--lr_scheduler wild cannot be used"),
    ],
)
def test_bad_options_are_told_in_one_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parser().read(arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_switches_can_be_switched_off() -> None:
    assert parser().read(["--no_sample_at_first"]) == {"sample_at_first": False}
