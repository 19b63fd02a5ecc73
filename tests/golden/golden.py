"""The golden traces of a release: what that version wrote, and what its own reports said of it.

    python tests/golden/golden.py tests/golden/release-0.1.0
    python tests/golden/golden.py --put-right tests/golden/release-0.1.0

The first makes them, once a release. What is there is never made again: later readers have to say the same of it. A figure that was wrong
is put right in said.json by the second, and CHANGELOG.md says so. One archive is one trace, of a program and
of its forked child, with the figures as said.json beside it; `campaign` is a store of such traces. format-1.0 is of several days before the first
release: codings that 0.1.0 reads and does not write any more are in it.
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
import rubinprof.campaign

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
STORE = "store"
IN_STORE = ["exact", "sampled", "killed"]
STORE_QUESTIONS = {
    "totals": lambda campaign: campaign.totals(),
    "tasks": lambda campaign: rows(campaign.table()),
    "instruments": lambda campaign: rows(campaign.table("instrument", "memory")),
    "functions": lambda campaign: rows(campaign.table("function")),
    "libraries": lambda campaign: rows(campaign.table("library")),
    "lines": lambda campaign: rows(campaign.table("line")),
    "quanta": lambda campaign: rows(campaign.quanta().select("* EXCLUDE (trace)")),
}


def questions(directory):
    return STORE_QUESTIONS if (directory / STORE).exists() else QUESTIONS


def rows(relation):
    """As JSON has them: a time is text."""
    return json.loads(json.dumps(relation.to_arrow_table().to_pylist(), default=str))


def say(directory):
    """What every question to the traces of a directory, or to the store in it, is answered; None where it is refused."""
    said = {}
    if (directory / STORE).exists():
        campaign = rubinprof.campaign.open(directory / STORE)
        return {name: ask(campaign) for name, ask in STORE_QUESTIONS.items()}
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


def unpack(archive, place):
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")


def put_right(directory):
    """Figures that are said otherwise now take the place of those of then; nothing else changes. The archives it touches are printed."""
    for archive in sorted(directory.glob("*.tar.gz")):
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            unpack(archive, place)
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
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as spool:
        place = Path(place)
        for name in IN_STORE:
            unpack(directory / f"{name}.tar.gz", Path(spool, name))
        rubinprof.campaign.add(place / STORE, spool, workers=0, quiet_s=0)
        (place / SAID).write_text(json.dumps(say(place)))
        pack(place, directory / "campaign.tar.gz")


if __name__ == "__main__":
    (put_right if "--put-right" in sys.argv else main)(Path(sys.argv[-1]))
