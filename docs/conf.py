"""The documentation site, in the conventions of the Rubin guides: documenteer's configuration, and what differs here."""

import argparse
import json
import os
from pathlib import Path

from documenteer.conf.guide import *

from rubinprof import _analyze
from rubinprof.cli.parser import make_parser

os.environ["COLUMNS"] = "80"  # the width of --help
CSRC = Path(__file__).parents[1] / "csrc"


def helps(parser):
    """The help of a command and of those below it, as (words, text)."""
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from helps(below)


def doors():
    """The header of each room that others include, as (room, path from docs/reference)."""
    return [(path.parent.name, f"../../csrc/{path.relative_to(CSRC)}") for path in sorted(CSRC.glob("*/*.h")) if path.stem == path.parent.name]


extensions.remove("sphinx_sitemap")  # it asks for the site's address
myst_heading_anchors = 4  # other pages link to them
autodoc_mock_imports = ["lsst"]  # the middleware, which is not installed here
jinja_contexts = {
    "commands": {"helps": list(helps(make_parser()))},
    "columns": {"metrics": json.loads(_analyze.METRICS), "regions": json.loads(_analyze.REGION_COLUMNS)},
    "doors": {"doors": doors()},
}
