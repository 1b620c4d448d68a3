from abc import ABC, abstractmethod

from . import _io as io

class ComfyExtension(ABC):
    @abstractmethod
    async def get_node_list(self) -> list[type[io.ComfyNode]]: ...
