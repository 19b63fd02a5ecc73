#!/usr/bin/env bash
# What tracing costs, on this machine.
#   bench.sh [peers options]   single steps (benchmarks/micro), then rubinprof and its peers side by side (benchmarks/peers)
#   bench.sh --quick           the main ratios against their bars, in under three minutes; exit 1 when one is broken
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="$(ci/pythons.sh --newest)"
if [ "${1-}" = --quick ]; then exec "$python" benchmarks/peers/quick.py "${@:2}"; fi
"$python" benchmarks/micro/bench.py
exec "$python" benchmarks/peers/bench.py "$@"
