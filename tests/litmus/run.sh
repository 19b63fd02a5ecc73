#!/usr/bin/env bash
# `make litmus`: what one thread stores and another finds, as C11 programs of a few lines, in every order that the RC11 model allows. Each asks
# for an outcome that would be a fault; the checker must never find it. Then each is weakened, and the checker must find it: so it would.
# Needs herd7 (github.com/herd/herdtools7); words are handed on to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
herd=${HERD:-herd7}
command -v "$herd" >/dev/null || { echo "make litmus needs herd7 on PATH, or HERD=/path/to/herd7"; exit 2; }
faults=0
for file in *.litmus; do
    said=$("$herd" -model rc11.cat "$@" "$file" | grep -E '^Observation|^Flag' || true)
    weakened=$(sed -E 's/memory_order_(acquire|release|acq_rel|seq_cst)/memory_order_relaxed/g; s/atomic_thread_fence\(memory_order_relaxed\);//' "$file" >"${TMPDIR:-/tmp}/weak-$$.litmus" &&
        "$herd" -model rc11.cat "$@" "${TMPDIR:-/tmp}/weak-$$.litmus" | grep -E '^Observation' || true)
    rm -f "${TMPDIR:-/tmp}/weak-$$.litmus"
    case $said/$weakened in
        *" Never "*/*" Sometimes "*) echo "holds    ${file%.litmus}" ;;
        *) echo "FAULT    ${file%.litmus}: ${said:-herd7 said nothing}; weakened: ${weakened:-nothing}"; faults=$((faults + 1)) ;;
    esac
done
exit $((faults > 0))
