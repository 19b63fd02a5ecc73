"""The figures of the last release, beside which the page shows today's: CPU time over untraced, by program and tool.

`released.json` is kept in git. `make bench ARGS="--keep 0.1.0"` writes it from the last results.
"""

import json
from pathlib import Path

import page

FILE = Path(__file__).with_name("released.json")


def keep(results, name):
    """Write the factors of ``results`` (the JSON of bench.py) as those of the release ``name``.

    A program or a tool that ``results`` lack keeps no figure: those of different machines are not mixed.
    """
    machine = results["machine"]
    found = {program: {tool: round(cpu[0], 2) for tool, _, cpu, *_ in page.rows(rounds) if cpu} for program, rounds in results["programs"].items()}
    FILE.write_text(json.dumps({"name": name, "at": machine["at"][:10], "cpu": machine["cpu"], "python": machine["python"], "factors": found}, indent=1) + "\n")


def read():
    """What `keep` wrote, or `None` where there is no file."""
    return json.loads(FILE.read_text()) if FILE.exists() else None
