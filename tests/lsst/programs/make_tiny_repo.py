"""Make a Butler repository with the tiny camera and nothing else: make_tiny_repo.py ROOT"""

import sys

from lsst.daf.butler import Butler
from tiny import TinyCamera

Butler.makeRepo(sys.argv[1])
with Butler.from_config(sys.argv[1], run="inputs") as butler:
    TinyCamera().register(butler.registry)
