"""How often the stated 95 % interval holds the truth: runs a program with known answers many times and counts.

    python benchmarks/sampled/coverage.py [--runs 50] [--json]

Ten functions allocate what is known, in blocks of 600 bytes to 300 KiB, on two threads and in turns; ten others, in turns and in
stretches, use CPU time that they read from the thread's clock themselves. Of each function and run: is the truth within
`allocated_bytes_error` (`allocations`, `leaked`, `cpu`) of the estimate? Exit status 1 when of any function it was in fewer than 90 % of the runs.
"""

import argparse
import collections
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = '''
import json, random, sys, threading, time
import rubinprof

SIZES = [600 << n for n in range(10)]
random.seed(int(sys.argv[2]))

def fill(count, size):
    blocks = [None] * count
    for i in range(count):
        blocks[i] = bytearray(size)
    return blocks

def truth(count, size):
    """Bytes and blocks that CPython's own allocator passes on: a bytearray's buffer, and a list's when it is not small."""
    list_bytes = 8 * count if 8 * count > 512 else 0
    return count * (size + 1) + list_bytes, count + (list_bytes > 0)

ALLOCATE = []
for n, size in enumerate(SIZES):
    names = {"fill": fill}
    exec(f"def site_{n}(count):\\n    return fill(count, {size})\\n", names)
    ALLOCATE.append(names[f"site_{n}"])

def spin(seconds):
    begin = now = time.thread_time()
    while now < begin + seconds:
        x = 0
        for i in range(200):
            x += i * i
        now = time.thread_time()
    return now - begin

SPIN = []
for n in range(10):
    names = {"spin": spin}
    exec(f"def cpu_{n}(seconds):\\n    return spin(seconds)\\n", names)
    SPIN.append(names[f"cpu_{n}"])

allocated, blocks_made, kept, used, heap = [0] * 10, [0] * 10, [0] * 10, [0.0] * 10, []
lock = threading.Lock()

def allocate():
    order = [n for n in range(10) for _ in range(40)]
    random.shuffle(order)
    for n in order:
        count = max(1, (400_000 // (n + 1)) // SIZES[n])
        blocks = ALLOCATE[n](count)
        stay = blocks[::4] if n % 2 else []
        with lock:
            made = truth(count, SIZES[n])
            allocated[n] += made[0]
            blocks_made[n] += made[1]
            kept[n] += len(stay) * (SIZES[n] + 1)
            heap.append(stay)

def use():
    for turn in range(100):
        for n in range(10):
            seconds = 0.0008 * (n + 1)
            used[n] += SPIN[n](seconds)

with rubinprof.Tracker(sys.argv[1], cpu="sampled", memory="sampled"):
    threads = [threading.Thread(target=allocate) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    use()
    print(json.dumps({"allocated": allocated, "allocations": blocks_made, "leaked": kept, "cpu": used}))
'''

KEYS = {
    "allocated": ("site_", "total_allocated_bytes"),
    "allocations": ("site_", "total_allocations"),
    "leaked": ("site_", "total_leaked_bytes"),
    "cpu": ("cpu_", "total_cpu_s"),
}


def run(directory, seed):
    """Yield (kind, function number, truth, estimate, error) of one run."""
    path = Path(directory) / f"{seed}.rprof"
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, str(seed)], check=True, capture_output=True, text=True)
    truth = json.loads(done.stdout)
    import rubinprof

    rows = {row["function"]: row for row in rubinprof.open(path).table(by="function")}
    for kind, (prefix, key) in KEYS.items():
        for n, expected in enumerate(truth[kind]):
            row = rows.get(f"{prefix}{n}", {key: 0, key + "_error": 0})
            yield kind, n, expected, row[key], row[key + "_error"]
    path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(args.runs):
            for kind, n, expected, estimate, error in run(directory, seed):
                if expected:
                    found[kind, n].append((expected, estimate, error))
    lines = []
    for (kind, n), results in sorted(found.items()):
        held = sum(abs(estimate - expected) <= error for expected, estimate, error in results) / len(results)
        bias = sum(estimate for _, estimate, _ in results) / sum(expected for expected, _, _ in results) - 1
        width = sum(error for _, _, error in results) / sum(expected for expected, _, _ in results)
        lines.append({"figure": kind, "function": n, "held": held, "bias": bias, "error": width, "runs": len(results)})
    if args.json:
        print(json.dumps(lines, indent=1))
    else:
        print("figure       function   held   mean error of estimate   stated error")
        for line in lines:
            print(f"{line['figure']:11} {line['function']:9} {line['held']:6.0%} {line['bias']:+20.1%} {line['error']:18.0%}")
    return any(line["held"] < 0.9 for line in lines)


if __name__ == "__main__":
    sys.exit(main())
