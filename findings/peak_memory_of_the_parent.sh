#!/usr/bin/env bash
# lsst.utils.usage.get_peak_mem_usage() of a process that a large process started is the large one's peak.
#
# Versions: lsst-utils 30.2026.4300 on CPython 3.12 or newer, Linux x86-64.
# One would guess: a new program (fork and exec) begins with a peak of its own. The middleware stores this figure for each quantum, and people size
#   memory requests by it.
# What happens: the figure is ru_maxrss, and Linux carries it through execve. A child of 60 MiB tells the 600 MiB that its parent had when it
#   started it. VmHWM of /proc/self/status is the child's own.
# Output seen (MiB; the child's own peak differs by some):
#   parent: 600 or more
#   child by get_peak_mem_usage: 600 or more
#   child by VmHWM: below 200
# Fails when that has changed. Needs a CPython 3.12 or newer as $PYTHON (default: python3) and the package index; takes a minute.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q lsst-utils==30.2026.4300

cat > child.py <<'PY'
from lsst.utils.usage import get_peak_mem_usage

status = open("/proc/self/status").read()
own_mib = int(status.split("VmHWM:")[1].split()[0]) / 1024
print(get_peak_mem_usage()[0].to_value("byte") / 2**20, own_mib)
PY
cat > parent.py <<'PY'
import subprocess
import sys

from lsst.utils.usage import get_peak_mem_usage

held = b"\1" * (600 << 20)
parent = get_peak_mem_usage()[0].to_value("byte") / 2**20
told, own = map(float, subprocess.run([sys.executable, "child.py"], check=True, capture_output=True, text=True).stdout.split())
print("parent:", "600 or more" if parent >= 600 else round(parent))
print("child by get_peak_mem_usage:", "600 or more" if told >= 600 else round(told))
print("child by VmHWM:", "below 200" if own < 200 else round(own))
sys.exit(not (parent >= 600 and told >= 600 and own < 200))
PY
env/bin/python parent.py
