#!/usr/bin/env bash
# What tracing costs, on this machine: every benchmarks/<name>/bench.py in turn, with the Python of .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shopt -s nullglob
benches=(benchmarks/*/bench.py)
if [ ${#benches[@]} -eq 0 ]; then echo "make bench: there is no benchmarks/*/bench.py yet" >&2; exit 2; fi
if [ ! -x .venv/bin/python ]; then echo "make bench: run make dev first, it makes .venv" >&2; exit 2; fi
for bench in "${benches[@]}"; do
    echo "== $bench"
    .venv/bin/python "$bench" "$@"
done
