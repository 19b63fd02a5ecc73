#!/usr/bin/env bash
# Lists the supported CPythons of this machine, one a line: "3.13 3.13.0 /path/to/python". First those that run every test, newest first; then
# those that run some (ci/check.py). --newest prints only the path of the first. Fails with one sentence where there is none.
set -euo pipefail

supported="3.13 3.12 3.11 3.15 3.14"

# Prints "minor full path" of the interpreter that command $1 really starts, or nothing.
describe() {
    "$1" -c 'import os, sys, sysconfig
if sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    base = getattr(sys, "_base_executable", None) or sys.executable
    headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
    print("%d.%d" % sys.version_info[:2], "%d.%d.%d" % sys.version_info[:3], int(headers), base)' 2>/dev/null || true
}

candidates() {
    local minor=$1 name
    for name in "python$minor" python3 python; do command -v "$name" || true; done
    # The highest patch release first; pyenv keeps them side by side, off PATH.
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$minor".*/bin/python 2>/dev/null | sort -rV || true
    ls /usr/local/bin/"python$minor" /usr/bin/"python$minor" 2>/dev/null || true
    ls "${XDG_CACHE_HOME:-$HOME/.cache}/rubinprof-tests/cpython-$minor/bin/python$minor" 2>/dev/null || true # ci/fetch_python.py
}

# The first candidate of this minor version that has its headers, else the first one at all.
choose() {
    local minor=$1 candidate found_minor full headers path without=
    while read -r candidate; do
        read -r found_minor full headers path < <(describe "$candidate") || continue
        [ "$found_minor" = "$minor" ] || continue
        if [ "$headers" = 1 ]; then echo "$minor $full $path"; return; fi
        [ -n "$without" ] || without="$minor $full $path"
    done < <(candidates "$minor")
    if [ -n "$without" ]; then echo "$without"; fi
}

list=$(for minor in $supported; do choose "$minor"; done)
if [ -z "$list" ]; then
    echo "rubinprof needs CPython 3.11 to 3.15, and none was found on PATH or among pyenv's versions." >&2
    exit 2
fi
if [ "${1:-}" = --newest ]; then echo "$list" | head -n 1 | cut -d ' ' -f 3-; else echo "$list"; fi
