#!/bin/sh
# Events a second, seconds and memory of the analyzer on synthetic traces.
#   benchmarks/analyze/run.sh [EVENTS]
set -eu
cd "$(dirname "$0")/../.."
events=${1:-20e6}
make -s analyze >/dev/null
mkdir -p build/bench
${CC:-cc} -O2 -std=gnu11 -Icsrc -Icsrc/include -o build/bench/make_trace benchmarks/analyze/make_trace.c csrc/format/*.c csrc/base/*.c -llz4 -lzstd
for kind in calls allocs mixed; do
    trace=build/bench/$kind.rprof
    build/bench/make_trace "$trace" "$events" 2 "$kind"
    python3 - "$kind" "$trace" <<'PY'
import json, os, resource, subprocess, sys
kind, trace = sys.argv[1:]
best = None
for _ in range(3):
    start = os.times()
    out = subprocess.run(["build/rubinprof-analyze", "stats", "--json", trace], capture_output=True, check=True).stdout
    end = os.times()
    seconds = end.children_user + end.children_system - start.children_user - start.children_system
    best = min(best or 1e9, seconds)
events = json.loads(out)["events"]
rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{kind:<7} {events / 1e6:6.1f} M events  {os.path.getsize(trace) / events:5.2f} bytes/event  "
      f"{best:6.2f} CPU s  {events / best / 1e6:6.1f} M events/s  {rss:5.0f} MB")
PY
done
