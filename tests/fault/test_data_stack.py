"""A sample that lands while CPython gives back the chunk of its data stack in which the innermost frame lay."""

import subprocess
import sys

PROGRAM = """
import sys

import rubinprof

sys.setrecursionlimit(10000)

def generator(a=1, b=2, c=3, d=4, e=5):
    yield 1

def at_depth(n):
    if n:
        return at_depth(n - 1)
    for _ in range(200):
        generator()  # its frame may be the first of a new chunk, which is unmapped again at once

with rubinprof.Tracker(sys.argv[1], sample_hz=20000):
    for _ in range(5):
        for depth in range(1, 200):
            at_depth(depth)
print("alive")
"""


def test_a_frame_whose_chunk_is_gone_is_not_read(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "chunk.rprof"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "alive\n", "")
