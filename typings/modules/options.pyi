from collections.abc import Callable, Mapping

class OptionInfo:
    def __init__(
        self,
        default: object = ...,
        label: str = ...,
        component: Callable[..., object] | None = ...,
        component_args: Mapping[str, object] | None = ...,
        *,
        section: tuple[str, str] = ...,
    ) -> None: ...
    def info(self, info: str) -> OptionInfo: ...

class Options:
    """Each option is an attribute, too, once it is declared."""

    data: dict[str, object]

    def add_option(self, key: str, info: OptionInfo) -> None: ...
