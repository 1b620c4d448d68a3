"""Finished embeddings become others: mixed, weaker, stronger."""

from __future__ import annotations

import math
from contextlib import ExitStack

from comfy_api.latest import io

from ...ti_core.errors import ConfigError, EmbeddingError
from ...ti_core.files.embedding import Embedding
from ...ti_core.files.names import alike
from ...ti_core.port.session import Host, ModelFacts, Session
from ...ti_core.tools.expression import parse
from ...ti_core.tools.making import merge
from ...ti_core.tools.rescaling import factors_for, rescaled
from ...ti_core.tools.sources import Sources
from ...ti_core.tools.strength import factor_of_brackets
from ..loaded_model import Clip, Model, host_of
from ..node import Node, finite, node_text, schema
from ..places import checked_for_prompts
from ..sockets import EmbeddingSocket
from .embedding import summary

_HOW = ("factor", "brackets", "strength")


class MergeEmbeddings(Node):
    """A new embedding from others and from words, by an expression."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "MergeEmbeddings",
            "Merge Embeddings",
            "Mixes embeddings, and words of the model, by an expression: a * 0.7 + b, "
            "a - 'cat', (a, b) one after the other, a[0].",
            search_aliases=["mix embeddings", "textual inversion", "combine", "add", "subtract"],
            inputs=[
                EmbeddingSocket.Input("a", tooltip="Called a in the expression, or by its name."),
                io.String.Input(
                    "expression",
                    display_name="Expression",
                    default="a * 0.5 + b * 0.5",
                    tooltip="+ and - add and subtract vector by vector, a comma puts one after "
                    "the other, * and / scale. Put words of the model in 'quotes'; they need MODEL "
                    "and CLIP.",
                ),
                io.String.Input(
                    "name",
                    display_name="Name",
                    default="merged",
                    tooltip="What the new embedding is called.",
                ),
                EmbeddingSocket.Input("b", optional=True, tooltip="Called b in the expression."),
                EmbeddingSocket.Input("c", optional=True, tooltip="Called c in the expression."),
                io.Model.Input("model", optional=True, tooltip="For words in 'quotes'."),
                io.Clip.Input("clip", optional=True, tooltip="For words in 'quotes'."),
            ],
            outputs=[
                EmbeddingSocket.Output(display_name="embedding", tooltip="The result, not saved.")
            ],
        )

    @classmethod
    def work(
        cls,
        expression: str,
        name: str,
        model: Model = None,
        clip: Clip = None,
        **embeddings: Embedding | None,
    ) -> io.NodeOutput:
        """See the class."""
        parse(expression)  # its mistakes are reported before a model is opened
        called = checked_for_prompts(name)
        with ExitStack() as stack:
            host = host_of(model, clip) if model is not None and clip is not None else None
            session = stack.enter_context(host.session()) if host else None
            sources = _Inputs({k: v for k, v in embeddings.items() if v is not None}, session)
            made = merge(expression, called, sources, host.describe() if host else None)
        return io.NodeOutput(made, ui=node_text(summary(made)))


class _Inputs(Sources):
    """What the names in an expression mean: the node's inputs, never a file."""

    def __init__(self, inputs: dict[str, Embedding], session: Session | None) -> None:
        super().__init__(session=session)
        self._named = {alike(value.name): value for value in inputs.values()} | inputs

    def embedding(self, name: str) -> Embedding:
        """See `Sources`."""
        if alike(name) in self._named:
            return self._named[alike(name)]
        raise EmbeddingError(
            f"there is no embedding {name!r}",
            f"this node has {', '.join(self._named)}",
            "connect it; put words of the model in 'quotes'",
        )


class ScaleEmbedding(Node):
    """An embedding weaker or stronger, for good."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `io.ComfyNode`."""
        return schema(
            "ScaleEmbedding",
            "Scale Embedding",
            "Makes an embedding permanently weaker or stronger. The direction of its vectors stays "
            "the same.",
            search_aliases=["embedding strength", "tame embedding", "weaken", "textual inversion"],
            inputs=[
                EmbeddingSocket.Input("embedding", tooltip="What to scale."),
                io.Combo.Input(
                    "how",
                    options=list(_HOW),
                    display_name="How",
                    default=_HOW[0],
                    tooltip="factor: multiply by the amount; brackets: as N pairs of square "
                    "brackets, each divides by 1.1; strength: the length of the longest vector in "
                    "lengths of an ordinary word, which needs MODEL and CLIP.",
                ),
                io.Float.Input(
                    "amount",
                    display_name="Amount",
                    default=0.8,
                    min=-1000,
                    max=1000,
                    step=0.05,
                    round=0.0001,
                    tooltip="The factor, the number of bracket pairs, or the strength: see How.",
                ),
                io.Model.Input("model", optional=True, tooltip="Only for strength."),
                io.Clip.Input("clip", optional=True, tooltip="Only for strength."),
            ],
            outputs=[
                EmbeddingSocket.Output(display_name="embedding", tooltip="The result, not saved.")
            ],
        )

    @classmethod
    def validate_inputs(cls, amount: float | None = None) -> bool | str:
        """NaN is refused before it comes into ComfyUI's history."""
        return finite(amount=amount)

    @classmethod
    def work(
        cls, embedding: Embedding, how: str, amount: float, model: Model = None, clip: Clip = None
    ) -> io.NodeOutput:
        """See the class."""
        if not math.isfinite(amount) or abs(amount) > 1000:
            raise ConfigError(f"the amount is {amount}", "", "give a number from -1000 to 1000")
        facts = None
        if how == "strength":
            facts, factors = _factors_to(amount, embedding, host_of(model, clip))
        elif how in _HOW:
            factor = factor_of_brackets(round(amount)) if how == "brackets" else amount
            factors = dict.fromkeys(embedding.vectors, factor)
        else:
            raise ConfigError(f"how is {how!r}", "", f"choose one of {', '.join(_HOW)}")
        made = rescaled(embedding, factors, embedding.name, facts)
        told = ", ".join(f"{key} × {factor:.4g}" for key, factor in factors.items())
        return io.NodeOutput(made, ui=node_text(told))


def _factors_to(
    strength: float, embedding: Embedding, host: Host
) -> tuple[ModelFacts, dict[str, float]]:
    if strength < 0:
        raise ConfigError(f"the strength is {strength}", "", "give 0 or more")
    with host.session() as session:
        facts = host.describe()
        return facts, factors_for(strength, embedding, facts, session)
