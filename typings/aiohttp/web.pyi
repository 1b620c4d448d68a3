from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

class _Content:
    def iter_any(self) -> AsyncIterable[bytes]: ...

class Request:
    headers: Mapping[str, str]
    """Looked up in any letter case."""
    content: _Content
    query: Mapping[str, str]

class Response:
    def __init__(
        self, *, body: bytes, content_type: str, headers: Mapping[str, str] | None = ...
    ) -> None: ...

def json_response(data: object, *, status: int = ...) -> Response: ...

Handler = Callable[[Request], Awaitable[Response]]

class RouteTableDef:
    def get(self, path: str) -> Callable[[Handler], Handler]: ...
    def post(self, path: str) -> Callable[[Handler], Handler]: ...
