#!/usr/bin/env bash
# pyarrow.array() of a plain list imports pandas, where pandas is installed.
#
# Versions: pyarrow 26.0.1, pandas 3.1.1 on CPython 3.11 or newer, Linux x86-64.
# One would guess: making an Arrow array out of a list of Python ints needs Arrow alone; pandas is asked only for what is of pandas.
# What happens: pyarrow asks whether the list is an object of pandas, and imports pandas for that: a second of CPU time and 60 MB on the first
#   array of a process. pyarrow.nulls() does not. A short command that makes one small table pays it each time.
# Output seen:
#   after import pyarrow: False
#   after pyarrow.nulls: False
#   after pyarrow.array([1, 2]): True
# Fails when that has changed. Needs a CPython 3.11 or newer as $PYTHON (default: python3) and the package index; takes a minute.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q pyarrow==26.0.1 pandas==3.1.1

cat > show.py <<'PY'
import sys

import pyarrow

seen = []


def tell(when):
    seen.append("pandas" in sys.modules)
    print(f"after {when}: {seen[-1]}")


tell("import pyarrow")
pyarrow.nulls(2, pyarrow.int64())
tell("pyarrow.nulls")
pyarrow.array([1, 2])
tell("pyarrow.array([1, 2])")
sys.exit(seen != [False, False, True])
PY
env/bin/python show.py
