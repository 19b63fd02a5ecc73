"""The golden traces of a format version: what that version wrote, and what its own reports said of it.

    python tests/golden/golden.py tests/golden/format-1.0
    python tests/golden/golden.py --put-right tests/golden/format-1.0

The first makes them, once a version. From a release on, what is there is never made again: later readers have to say the same of it. A figure that was wrong
is put right in said.json by the second, and CHANGELOG.md says so. One archive is one trace, of a program and
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
    "sampled-words": ({**SAMPLED, "sampled_bytes": "16k"}, "well"),  # definitions packed with the words of format/words.h
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


def pack(place, archive):
    with tarfile.open(archive, "w:gz") as packed:
        for file in sorted(place.iterdir()):
            packed.add(file, file.name)


def put_right(directory):
    """Figures that are said otherwise now take the place of those of then; nothing else changes. The archives it touches are printed."""
    for archive in sorted(directory.glob("*.tar.gz")):
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            with tarfile.open(archive) as packed:
                packed.extractall(place, filter="data")
            then, now = json.loads((place / SAID).read_text()), say(place)
            (place / SAID).write_text(json.dumps(same_keys(then, now)))
            if json.loads((place / SAID).read_text()) != then:
                pack(place, archive)
                print(archive)


def same_keys(then, now):
    """What is said now, of what was asked then."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {key: same_keys(value, now[key]) for key, value in then.items()}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [same_keys(a, b) for a, b in zip(then, now, strict=True)]
    return now


def main(directory):
    directory.mkdir()
    for name, (options, ending) in TRACES.items():
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            program = shutil.copy(PROGRAM, place)
            subprocess.run([sys.executable, program, place / "golden.rprof", ending, json.dumps(options)])
            os.unlink(program)
            (place / SAID).write_text(json.dumps(say(place)))
            pack(place, directory / f"{name}.tar.gz")


if __name__ == "__main__":
    (put_right if "--put-right" in sys.argv else main)(Path(sys.argv[-1]))
