"""`python -m ti_core` is `ti`."""

import sys

from .cli.main import main

sys.exit(main())
