from aiohttp.web import RouteTableDef

class PromptServer:
    instance: PromptServer
    """Set when the server starts."""
    routes: RouteTableDef
    client_id: str | None

    def send_sync(self, event: str, data: dict[str, object], sid: str | None = ...) -> None: ...
    def send_progress_text(
        self, text: bytes | str, node_id: str, sid: str | None = ...
    ) -> None: ...
