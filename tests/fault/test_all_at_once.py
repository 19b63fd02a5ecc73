"""The program of programs/all_at_once.py: nothing is harmed, and each session leaves a whole trace."""

import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = Path(__file__).parent / "programs" / "all_at_once.py"
ROUNDS = 4

PLUGIN = """
#include <stdlib.h>
void churn(int n) { for (int i = 0; i < n; i++) { volatile char *p = malloc(100 + i); p[0] = 1; free((void *)p); } }
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_all_at_once(tmp_path, mode):
    (tmp_path / "plugin.c").write_text(PLUGIN)
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", "plugin.so", "plugin.c"], cwd=tmp_path, check=True)
    words = [sys.executable, PROGRAM, mode, tmp_path / "plugin.so", str(ROUNDS)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    for n in range(ROUNDS):
        with rubinprof.open(tmp_path / f"{n}.rprof") as trace:
            figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
        assert figures["complete"] and figures["lost_blocks"] == 0
        assert figures["cpu_s"] > 0
        if mode == "exact":
            assert rows["work"]["calls"] > 0
