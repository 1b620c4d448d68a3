"""The command line on the fake host."""

from ..cli.conftest import fake_host, ti

__all__ = ["fake_host", "ti"]
