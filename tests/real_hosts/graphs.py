"""Graphs as ComfyUI's /prompt takes them: number of the node → its class and inputs."""

from __future__ import annotations

from typing import Any

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """A node as /prompt wants it; ("3", 0) is a cable."""
    cables = {k: list(v) if isinstance(v, tuple) else v for k, v in inputs.items()}
    return {"class_type": kind, "inputs": cables}


def training(family: str = "sd1", name: str = "my-cat", steps: int = 20, **more: Any) -> Graph:
    """Nodes 1 to 6: loader, words, pictures, settings, training, file."""
    lent = {"model": ("1", 0), "clip": ("1", 1)}
    settings = {
        "max_train_steps": steps,
        "learning_rate": "0.005",
        "lr_scheduler": "constant",
        "lr_warmup_steps": 0,
        "train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "mixed_precision": "no",
        "seed": 0,
        "sample_every_n_steps": 0,
        "sample_prompts": "[name] --w 64 --h 64 --s 2",
    }
    created = {"init_word": "cat", "num_vectors_per_token": 2, "init_rule": "stretch"}
    created |= {"metadata_is_negative_embedding": False, "metadata_license": ""}
    folder = {"folder": "cats", "width": 64, "height": 64, "resize_mode": "cover"}
    graph = {
        **loaded(family),
        "2": node("TI_CreateEmbedding", **lent, token_string=name, **created),
        "3": node("TI_DatasetFromFolder", **folder, prompt_template="auto"),
        "4": node("TI_TrainingSettings", **settings),
        "5": node(
            "TI_TrainEmbedding",
            **lent,
            vae=("1", 2),
            embedding=("2", 0),
            dataset=("3", 0),
            settings=("4", 0),
            resume="new",
        ),
        "6": node("TI_SaveEmbedding", embedding=("5", 0), name="", format="safetensors"),
    }
    graph["6"]["inputs"]["when_there"] = "overwrite"
    return _changed(graph, more)


def _changed(graph: Graph, more: dict[str, Any]) -> Graph:
    """With other values of the inputs of these names."""
    for key, value in more.items():
        number = next(n for n in graph if key in graph[n]["inputs"])
        graph[number]["inputs"][key] = value
    return graph


def teaching(family: str = "sd1", name: str = "style", steps: int = 4, **more: Any) -> Graph:
    """Nodes 1 to 6: loader, hypernetwork, pictures, settings, training, file."""
    graph = training(family, name, steps)
    lent = {"model": ("1", 0), "clip": ("1", 1)}
    made: dict[str, Any] = {
        "layer_structure": "1, 2, 1",
        "activation_func": "swish",
        "weight_init": "Normal",
    }
    made |= dict.fromkeys(("add_layer_norm", "activate_output", "use_dropout"), False)
    made |= {"dropout_structure": "0, 0, 0", "enable_sizes": "", "seed": 0}
    graph["2"] = node("TI_CreateHypernetwork", **lent, hypernetwork_name=name, **made)
    graph["4"]["class_type"] = "TI_HypernetworkSettings"
    graph["4"]["inputs"] |= {"learning_rate": "1e-3", "sample_prompts": ""}
    train = {**graph["5"]["inputs"], "hypernetwork": ["2", 0]}
    del train["embedding"]
    graph["5"] = node("TI_TrainHypernetwork", **train)
    saved = {"name": "", "format": "pt", "when_there": "overwrite"}
    graph["6"] = node("TI_SaveHypernetwork", hypernetwork=("5", 0), **saved)
    return _changed(graph, more)


def training_two(first: str = "my-cat", second: str = "my-ink", **more: Any) -> Graph:
    """Nodes 1 to 8: as `training`, with a second embedding (7) on the same images; both are saved,
    by 6 and 8."""
    graph = training("sd1", first, **more)
    graph["7"] = {**graph["2"], "inputs": {**graph["2"]["inputs"], "token_string": second}}
    train = graph["5"]["inputs"]
    lent = {key: train[key] for key in ("model", "clip", "vae", "settings", "resume")}
    words = {"embedding_1": ("2", 0), "dataset_1": ("3", 0)}
    words |= {"embedding_2": ("7", 0), "dataset_2": ("3", 0)}
    graph["5"] = node("TI_TrainEmbeddings", **lent, **words)
    graph["8"] = node("TI_SaveEmbedding", **{**graph["6"]["inputs"], "embedding": ("5", 1)})
    return graph


def strengthened(hypernetwork: tuple[str, int], strength: float, at: str = "7") -> Graph:
    """A node that applies what comes from there to the MODEL of node 1."""
    inputs = {"model": ("1", 0), "hypernetwork": hypernetwork, "strength": strength}
    return {at: node("TI_ApplyHypernetwork", **inputs)}


def loaded(family: str) -> Graph:
    """Node 1: MODEL, CLIP and VAE of a random model."""
    return {"1": node("CheckpointLoaderSimple", ckpt_name=f"{family}-0.safetensors")}


def applying(embedding: str, text: str) -> Graph:
    """Node 7 applies what that node gives, and `picture` draws with it."""
    options = {"weight": 1.0, "text": "a [name]"}
    apply = node("TI_ApplyEmbedding", clip=("1", 1), embedding=(embedding, 0), **options)
    return {"7": apply, **picture(text, ("7", 0))}


def picture(
    text: str, clip: tuple[str, int] = ("1", 1), at: int = 20, model: tuple[str, int] = ("1", 0)
) -> Graph:
    """A picture of a prompt, shown by node `at` + 4."""
    cfg = {"seed": 1, "steps": 2, "cfg": 5.0, "denoise": 1.0}
    names = [str(at + i) for i in range(6)]
    return {
        names[0]: node("CLIPTextEncode", clip=clip, text=text),
        names[1]: node("CLIPTextEncode", clip=("1", 1), text=""),
        names[2]: node("EmptyLatentImage", width=64, height=64, batch_size=1),
        names[3]: node(
            "KSampler",
            **cfg,
            sampler_name="euler",
            scheduler="normal",
            model=model,
            positive=(names[0], 0),
            negative=(names[1], 0),
            latent_image=(names[2], 0),
        ),
        names[4]: node("PreviewImage", images=(names[5], 0)),
        names[5]: node("VAEDecode", samples=(names[3], 0), vae=("1", 2)),
    }


def through_lora(graph: Graph, name: str) -> Graph:
    """The same, with a LoRA (node 9) behind the loader."""

    def swapped(value: Any) -> Any:
        return ["9", value[1]] if value in (["1", 0], ["1", 1]) else value

    strengths = {"strength_model": 1.0, "strength_clip": 1.0}
    lora = node("LoraLoader", model=("1", 0), clip=("1", 1), lora_name=name, **strengths)
    return {
        number: each | {"inputs": {key: swapped(value) for key, value in each["inputs"].items()}}
        for number, each in graph.items()
    } | {"9": lora}
