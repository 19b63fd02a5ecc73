#!/usr/bin/env bash
# A requestMemory under `payload:` of a BPS yaml beats the one of every task below `pipetask:`.
#
# Versions: lsst-ctrl-bps 30.2026.4300 on CPython 3.12 or newer, Linux x86-64.
# One would guess: the nearer the key, the stronger: a value for one task beats the general one, wherever the general one stands. That is how it is
#   with a general value at the top of the file.
# What happens: the search goes through `payload` first, then the cluster, then the task. What somebody writes among the payload's other settings
#   overrides the careful numbers of each task, without a word.
# Output seen:
#   at the top 1000, task isr 8000: isr gets 8000
#   under payload 1000, task isr 8000: isr gets 1000
# Fails when that has changed. Needs a CPython 3.12 or newer as $PYTHON (default: python3) and the package index; takes some minutes.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q lsst-ctrl-bps==30.2026.4300 lsst-ctrl-mpexec==30.2026.4300 lsst-pipe-base==30.2026.4300 lsst-daf-butler==30.2026.4300 lsst-sphgeom==30.2026.4000

cat > search.py <<'PY'
import sys

from lsst.ctrl.bps import BpsConfig

TASK = {"pipetask": {"isr": {"requestMemory": 8000}}}


def memory_of_isr(config):
    found, value = BpsConfig(config).search("requestMemory", opt={"curvals": {"curr_pipetask": "isr"}})
    return value if found else None


at_the_top = memory_of_isr({"requestMemory": 1000, "payload": {"payloadName": "run"}, **TASK})
under_payload = memory_of_isr({"payload": {"payloadName": "run", "requestMemory": 1000}, **TASK})
print(f"at the top 1000, task isr 8000: isr gets {at_the_top}")
print(f"under payload 1000, task isr 8000: isr gets {under_payload}")
sys.exit((at_the_top, under_payload) != (8000, 1000))
PY
env/bin/python search.py
