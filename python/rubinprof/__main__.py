"""``python -m rubinprof`` is the command ``rubinprof``."""

import sys

from rubinprof.cli import main

sys.exit(main())
