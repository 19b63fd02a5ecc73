#!/usr/bin/env bash
# duration_from_timeMethod() of a method that calls itself subtracts the start of one call from the end of another.
#
# Versions: lsst-utils, lsst-pipe-base 30.2026.4300 on CPython 3.12 or newer, Linux x86-64.
# One would guess: the duration of a method that was called several times is the sum, or that of the longest or the last call.
# What happens: timeMethod appends a start and an end for each call, in the order in which they happen, and the function takes the last of each list.
#   Called one after the other, the last call alone is told. Where one call lies inside the other, the last start is the inner call's and the last
#   end is the outer's: a duration that no call had.
# Output seen (CPU seconds, rounded to 0.1):
#   0.3 s, then 0.1 s: told 0.1
#   0.2 s, then a call of 0.2 s inside, then 0.2 s: outer 0.6, inner 0.2, told 0.4
# Fails when that has changed. Needs a CPython 3.12 or newer as $PYTHON (default: python3) and the package index; takes a minute.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q lsst-utils==30.2026.4300 lsst-pipe-base==30.2026.4300

cat > nested.py <<'PY'
import sys
import time

from lsst.pex.config import Config
from lsst.pipe.base import Task
from lsst.utils.timer import duration_from_timeMethod, timeMethod


def use_cpu(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Fitter(Task):
    _DefaultName = "fitter"
    ConfigClass = Config

    @timeMethod
    def fit(self, seconds, inner=None):
        use_cpu(seconds)
        if inner is not None:
            self.fit(inner)
            use_cpu(seconds)


def told(calls):
    fitter = Fitter()
    for call in calls:
        fitter.fit(*call)
    return fitter, round(duration_from_timeMethod(fitter.metadata, "fit"), 1)


_, twice = told([(0.3,), (0.1,)])
print(f"0.3 s, then 0.1 s: told {twice}")
fitter, nested = told([(0.2, 0.2)])
starts = fitter.metadata.getArray("fitStartCpuTime")
ends = fitter.metadata.getArray("fitEndCpuTime")
outer, inner = round(ends[1] - starts[0], 1), round(ends[0] - starts[1], 1)
print(f"0.2 s, then a call of 0.2 s inside, then 0.2 s: outer {outer}, inner {inner}, told {nested}")
sys.exit((twice, outer, inner, nested) != (0.1, 0.6, 0.2, 0.4))
PY
env/bin/python nested.py
