from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

class Input:
    id: str
    optional: bool

    def __init__(
        self, id: str, display_name: str = ..., optional: bool = ..., tooltip: str = ...
    ) -> None: ...

class Output:
    def __init__(
        self,
        id: str = ...,
        display_name: str = ...,
        tooltip: str = ...,
        is_output_list: bool = ...,
    ) -> None: ...

class ComfyTypeIO:
    """A type of socket."""

    Input: ClassVar[type[_Input]]
    Output: ClassVar[type[_Output]]

_Input = Input
_Output = Output

def Custom(io_type: str) -> type[ComfyTypeIO]: ...

class Model(ComfyTypeIO): ...
class Clip(ComfyTypeIO): ...
class Vae(ComfyTypeIO): ...
class Image(ComfyTypeIO): ...
class Conditioning(ComfyTypeIO): ...

class Boolean:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            display_name: str = ...,
            optional: bool = ...,
            tooltip: str = ...,
            *,
            default: bool = ...,
        ) -> None: ...

    class Output(_Output): ...

class Int:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            display_name: str = ...,
            optional: bool = ...,
            tooltip: str = ...,
            *,
            default: int = ...,
            min: int | None = ...,
            max: int | None = ...,
            step: int = ...,
            control_after_generate: bool = ...,
        ) -> None: ...

    class Output(_Output): ...

class Float:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            display_name: str = ...,
            optional: bool = ...,
            tooltip: str = ...,
            *,
            default: float = ...,
            min: float | None = ...,
            max: float | None = ...,
            step: float = ...,
            round: float = ...,
        ) -> None: ...

    class Output(_Output): ...

class String:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            display_name: str = ...,
            optional: bool = ...,
            tooltip: str = ...,
            *,
            multiline: bool = ...,
            placeholder: str = ...,
            default: str = ...,
            dynamic_prompts: bool = ...,
            force_input: bool = ...,
        ) -> None: ...

    class Output(_Output): ...

class Combo:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            options: Sequence[str],
            display_name: str = ...,
            optional: bool = ...,
            tooltip: str = ...,
            *,
            default: str = ...,
        ) -> None: ...

class Hidden(Enum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"

class HiddenHolder:
    unique_id: str | None
    prompt: Mapping[str, Mapping[str, object]] | None
    extra_pnginfo: Mapping[str, object] | None

class Schema:
    def __init__(
        self,
        node_id: str,
        display_name: str = ...,
        category: str = ...,
        inputs: Sequence[Input] = ...,
        outputs: Sequence[Output] = ...,
        hidden: Sequence[Hidden] = ...,
        description: str = ...,
        is_input_list: bool = ...,
        is_output_node: bool = ...,
    ) -> None: ...

class NodeOutput:
    def __init__(self, *args: object, ui: Mapping[str, object] = ...) -> None: ...

class ComfyNode(ABC):
    """`validate_inputs` and `fingerprint_inputs` are left out: ComfyUI calls them with those
    inputs that a node's own ones name."""

    hidden: ClassVar[HiddenHolder]

    @classmethod
    @abstractmethod
    def define_schema(cls) -> Schema: ...
    @classmethod
    @abstractmethod
    def execute(cls, **kwargs: object) -> NodeOutput: ...
