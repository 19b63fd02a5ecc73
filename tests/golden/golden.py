"""The golden traces of a format version: what that version wrote, and what its own reports said of it.

    python tests/golden/golden.py tests/golden/format-1.0

makes them, once a version. From a release on, what is there is never made again: later readers have to say the same of it. A figure that was wrong is
put right in said.json, and CHANGELOG.md says so. One archive is one trace, of a program and
of its forked child, with the figures as said.json beside it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import rubinprof

PROGRAM = Path(__file__).with_name("program.py")
SAID = "said.json"
SAMPLED = {"cpu": "sampled", "memory": "sampled"}
# name: (options of the Tracker, how the program ends)
TRACES = {
    "exact": ({}, "well"),
    "pymalloc": ({"pymalloc": True}, "well"),
    "no-native": ({"native": False}, "well"),
    "memory-off": ({"memory": "off"}, "well"),
    "sampled": (SAMPLED, "well"),
    "sampled-small": ({**SAMPLED, "sampled_bytes": "8k"}, "well"),
    "killed": ({}, "killed"),
    "killed-sampled": (SAMPLED, "killed"),
}
QUESTIONS = {
    "stats": lambda trace: trace.stats(),
    "functions": lambda trace: trace.table(),
    "lines": lambda trace: trace.table(by="line"),
    "threads": lambda trace: trace.table(by="thread"),
    "tree": lambda trace: trace.tree(min_share=0.01),
    "regions": lambda trace: trace.regions(),
    "leaks": lambda trace: trace.leaks(),
    "temporary": lambda trace: trace.temporary(),
}


def say(directory):
    """What every question to the traces of a directory is answered; None where it is refused."""
    said = {}
    with contextlib.chdir(directory), rubinprof.open(".") as trace:  # its answers name its files
        for name, ask in QUESTIONS.items():
            try:
                said[name] = ask(trace)
            except (rubinprof.TraceError, ValueError):
                said[name] = None
    return said


def main(directory):
    directory.mkdir()
    for name, (options, ending) in TRACES.items():
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            program = shutil.copy(PROGRAM, place)
            subprocess.run([sys.executable, program, place / "golden.rprof", ending, json.dumps(options)])
            os.unlink(program)
            (place / SAID).write_text(json.dumps(say(place)))
            with tarfile.open(directory / f"{name}.tar.gz", "x:gz") as archive:
                for file in sorted(place.iterdir()):
                    archive.add(file, file.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
