"""Recorded before datasets could be more than one folder: a plain run is still the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ti_core.families import FAMILIES
from ti_core.files.reading import read_embedding
from ti_core.files.safetensors_directory import read_directory
from ti_core.hosts.fake import FakeHost
from ti_core.train.loop import train

from ..conftest import Configure

SD1 = {
    "emb_params": [-2.661726, -0.513165, -0.280601, 0.029198, 0.797733, 0.455506, 0.548174,
                   -1.034707, 0.950271, 2.703205, -0.334526, -0.154308],
}  # fmt: skip
SDXL = {
    "clip_l": [-2.635406, -0.524533, -0.368403, 0.077523, 0.81, 0.361033, 0.60839, -0.964028,
               0.959627, 2.705006, -0.305101, -0.154534],
    "clip_g": [0.455504, -1.217991, 1.233014, 1.230013, 1.244492, 1.003419, 0.547251, 0.480528,
               2.039106, 1.081958, -1.263638, 0.076265, 0.173705, 0.696442, -0.151168, 0.420904,
               0.078361, 2.288417, -1.293031, -2.657653],
}  # fmt: skip
RECORDED = {
    "caption_extension": ".txt",
    "clip_grad_mode": "disabled",
    "clip_grad_value": "0.1",
    "clip_skip": 1,
    "filename_join_string": " ",
    "filename_word_regex": "",
    "gradient_accumulation_steps": 1,
    "init_rule": "stretch",
    "init_word": "tree",
    "latent_sampling_method": "once",
    "learning_rate": "0.005",
    "lr_scheduler": "constant",
    "lr_warmup_steps": 0,
    "max_grad_norm": 0.0,
    "max_train_steps": 10,
    "mixed_precision": "no",
    "num_vectors_per_token": 1,
    "parse_emphasis": False,
    "resize_mode": "cover",
    "resolution": None,
    "seed": 0,
    "template_choice": "step",
    "token_string": "zz-thing",
    "train_batch_size": 1,
    "use_object_template": False,
    "use_style_template": False,
}
"""Bytes of the file are compared but for what differs from processor to processor: the last digits
of the vectors and the hash that is made of them."""


@pytest.mark.parametrize(("family", "expected"), [("sd1", SD1), ("sdxl", SDXL)])
def test_a_plain_folder_with_default_settings_gives_the_embedding_that_it_gave(
    configure: Configure, family: Any, expected: dict[str, list[float]]
) -> None:
    found = read_embedding(train(configure(), FakeHost(family=FAMILIES[family]))).vectors
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key].flatten().tolist() == pytest.approx(values, abs=5e-5)


def test_new_settings_are_not_recorded_where_they_change_nothing(configure: Configure) -> None:
    def settings(**changes: Any) -> dict[str, Any]:
        path = train(configure(overwrite=True, **changes), FakeHost())
        _, header = read_directory(path)
        told: dict[str, Any] = json.loads(header["__metadata__"]["ti.config"])
        return told

    assert settings() == RECORDED
    assert settings(flip_aug=True, keep_tokens=2) == {
        **RECORDED,
        "flip_aug": True,
        "keep_tokens": 2,
    }
