"""An embedding made from words, as a job: where the program wants such work done."""

from __future__ import annotations

from pathlib import Path

from ti_core.train.config import EmbeddingConfig
from ti_core.train.create import create_embedding

from .job import Job
from .studio import Studio


def start_creation(studio: Studio, config: EmbeddingConfig, overwrite: bool) -> Job:
    """Begin; it takes a moment. Raises HostBusyError while another job goes on."""

    def work(job: Job) -> Path:
        host, folder = studio.host(), studio.save_dir()
        return create_embedding(config, host, folder, overwrite, job.emit)

    return studio.start("create", config.token_string, work)
