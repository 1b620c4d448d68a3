"""An embedding made from words, as a job: where the program wants such work done."""

from __future__ import annotations

from pathlib import Path

from ti_core.errors import setting
from ti_core.train.config import EmbeddingConfig
from ti_core.train.create import create_embedding

from .job import Job
from .saving import taken
from .studio import Studio


def start_creation(studio: Studio, config: EmbeddingConfig, overwrite: bool) -> Job:
    """Begin; it takes a moment. Raises HostBusyError while another job is running."""

    def work(job: Job) -> Path:
        keep, found = studio.settings().keep_replaced, studio.library().find(config.token_string)
        if found and not overwrite:
            raise taken(found.path, f"choose another name, or use {setting('overwrite')}")
        folder = found.path.parent if found else studio.save_dir()
        return create_embedding(config, studio.host(), folder, overwrite, keep, job.emit, True)

    return studio.start("create", config.token_string, work)
