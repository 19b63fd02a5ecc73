"""Any byte of a real trace changed, any length cut: a clear message or the rest of the trace, in bounded time and memory.

RUBINPROF_MUTATE_EVERY=1 takes every byte and every length; ordinary runs take some hundred of each.
"""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linux

TRIES = 400

TRACED = """
import threading, rubinprof

def step(n): return [bytes(600 + n % 64) for _ in range(5)]

def work():
    for n in range(100): step(n)

with rubinprof.Tracker("real.rprof"):
    for i in range(12):
        with rubinprof.region("r", n=i):
            threads = [threading.Thread(target=work) for _ in range(2)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
"""

# In a process of its own: a crash, a hang or too much memory ends it.
MUTATING = """
import json, os, resource, signal, sys
import rubinprof

every, what = int(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
BLOCK = 64
original = open("real.rprof", "rb").read()
PAGE = int.from_bytes(original[8:12], "little")
path = f"{what}.rprof"
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
os.pwrite(fd, original, 0)

def blocks():
    at, found = PAGE, []
    while at < len(original):
        stored = int.from_bytes(original[at + 8 : at + 12], "little")
        found.append((at, at + BLOCK + stored, original[at + 4], int.from_bytes(original[at + 20 : at + 24], "little")))
        at += BLOCK + stored
    return found

def read():
    signal.alarm(20)
    try:
        with rubinprof.open(path) as trace:
            verdict = trace.verify()
            stats = trace.stats()
            trace.table()
    except rubinprof.TraceError as error:
        text = str(error)
        assert path in text and "\\n" not in text and len(text) < 400, text
        return None
    finally:
        signal.alarm(0)
    return verdict["whole"], verdict["files"][0], stats

whole, intact, stats = read()
assert whole and stats["lost_events"] == 0
ranges = blocks()
assert ranges[-1][1] == len(original)
most_events = max(count for _, _, kind, count in ranges if kind != 2)

if what == "bytes":
    refused = 0
    for at in range(0, len(original), every):
        if 96 <= at < PAGE:
            continue  # zeros, not looked at
        os.pwrite(fd, bytes([original[at] ^ (1 + at % 255)]), at)
        result = read()
        os.pwrite(fd, original[at : at + 1], at)
        refused += result is None
        if at >= PAGE:
            assert result is not None, at
            whole, file, stats = result
            assert not whole, at
            assert file["events"] >= intact["events"] - most_events, (at, file)
            assert file["missing_blocks"] + file["damaged_blocks"] + file["lost_definition_blocks"] <= 1, (at, file)
    assert refused >= 68 // every
else:
    for length in range(len(original) - 1, -1, -every):
        os.ftruncate(fd, length)
        result = read()
        if length < PAGE:
            assert result is None, length
        elif result:
            whole, file, stats = result
            assert not whole and file["cut"], length
            kept = sum(count for _, end, kind, count in ranges if kind != 2 and end <= length)
            assert file["events"] >= kept, (length, file)
print("good")
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mutation")
    subprocess.run([sys.executable, "-c", TRACED], cwd=directory, check=True)
    return directory


@pytest.mark.parametrize("what", ["bytes", "lengths"])
def test_mutations(directory, what):
    size = (directory / "real.rprof").stat().st_size
    every = os.environ.get("RUBINPROF_MUTATE_EVERY") or str(size // TRIES | 1)
    done = subprocess.run([sys.executable, "-c", MUTATING, every, what], cwd=directory, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "good\n", "")
