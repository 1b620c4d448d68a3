"""Which web UI this is."""

from __future__ import annotations

import importlib.util

from ti_core.errors import HostError
from ti_core.port.session import Host

_KNOWN = "only AUTOMATIC1111, Forge, Forge Neo and reForge are known"


def current_host() -> Host:
    """The host for the program around us, known by what it has and not by its name.

    Raises HostError outside of a web UI, or in one that is of another kind.
    """
    if importlib.util.find_spec("modules") is None:
        raise HostError("there is no web UI around", "this part works only inside of one")
    if importlib.util.find_spec("backend") is not None and _has("backend.diffusion_engine"):
        if not _has("backend.diffusion_engine.sd20"):  # Forge Neo has given up SD 2
            from .forge_neo.host import ForgeNeoHost

            return ForgeNeoHost()
        from .forge.host import ForgeHost

        return ForgeHost()
    if importlib.util.find_spec("ldm_patched") is not None and _has("modules_forge.forge_loader"):
        from .reforge.host import ReforgeHost

        return ReforgeHost()
    if _has("modules.sd_hijack_clip"):
        from .a1111.host import A1111Host

        return A1111Host()
    raise HostError("this web UI cannot lend its model", _KNOWN)


def _has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
