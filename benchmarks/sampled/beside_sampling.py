"""CPython 3.15's `profiling.sampling` and rubinprof on one program: what each costs in CPU time, and whether they say the same.

    python3.15 benchmarks/sampled/beside_sampling.py [--rounds 5]

The program works in five functions whose shares of CPU time it measures itself, by its own clock. Each round runs it untraced, under `profiling.sampling`
(another process, which reads its memory) and under `rubinprof run --cpu sampled --memory off`, each at two rates, in an order drawn anew. CPU is user and system
time of all processes, from start to the end of the last; so it has what starting and writing cost too. Of each tool the shares of functions are those of its own.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = '''
import json, sys, time

def calls(n):
    return n if n < 2 else calls(n - 1) + calls(n - 2)

def loops():
    total = 0
    for i in range(400_000):
        total += i * i
    return total

def texts():
    return len(",".join(str(i) for i in range(60_000)))

def sorts():
    return sorted((i * 7919) % 100_003 for i in range(60_000))[0]

def tables():
    made = {}
    for i in range(80_000):
        made[i % 997] = made.get(i % 997, 0) + i
    return made[0]

WORK = {"calls": lambda: calls(20), "loops": loops, "texts": texts, "sorts": sorts, "tables": tables}
spent = dict.fromkeys(WORK, 0.0)
for _ in range(int(sys.argv[1])):
    for name, work in WORK.items():
        begin = time.process_time()
        work()
        spent[name] += time.process_time() - begin
whole = sum(spent.values())
print(json.dumps({"cpu_s": time.process_time(), "shares": {name: s / whole for name, s in spent.items()}}))
'''
NAMES = ["calls", "loops", "texts", "sorts", "tables"]


class Failed(Exception):
    """A run that did not end well; str() is its last line."""


def run(command, directory):
    """CPU seconds of the command and its children, and what the program said of itself."""
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "RUBINPROF_INDEX": "off"})
    said = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line for line in said.splitlines() if line.startswith('{"cpu_s"')]
    if process.returncode or not lines:
        raise Failed(said.strip().rpartition("\n")[2])
    return usage.ru_utime + usage.ru_stime, json.loads(lines[0])


def shares_of_collapsed(path):
    """Of each function, inclusive, among samples that are in one of them."""
    counts = dict.fromkeys(NAMES, 0)
    for line in Path(path).read_text().splitlines():
        stack, _, n = line.rpartition(" ")
        # FILE:FUNCTION:LINE, or FUNCTION (FILE:LINE): the function is one of the words
        words = [word for frame in stack.split(";") for word in frame.replace(" ", ":").split(":")]
        for name in NAMES:
            if name in words:
                counts[name] += int(n)
                break
    whole = sum(counts.values())
    return {name: n / whole for name, n in counts.items()}, whole


def sampling(rate):
    return lambda stacks, trace: (["-m", "profiling.sampling", "run", "--mode", "cpu", "-r", str(rate), "--collapsed", "-o", stacks], None)


def rubinprof(*words):
    def of(stacks, trace):
        run_words = ["-m", "rubinprof", "run", "-o", trace, "--cpu", "sampled", "--memory", "off", *words]
        return run_words, ["-m", "rubinprof", "export", trace, "--format", "collapsed", "-o", stacks]

    return of


WAYS = {
    "untraced": None,
    "profiling.sampling, 1000 a s": sampling(1000),
    "profiling.sampling, 250 a s": sampling(250),
    "rubinprof, 250 a CPU s": rubinprof("--sample-hz", "250"),
    "rubinprof, 40 a CPU s": rubinprof(),
}


def one(way, directory, program):
    """A row of one run."""
    stacks, trace = directory / "stacks.txt", directory / "trace.rprof"
    for left in (stacks, trace):
        left.unlink(missing_ok=True)
    words, after = way(stacks, trace) if way else ([], None)
    cpu, said = run([sys.executable, *words, *program], directory)
    if after:
        subprocess.run([sys.executable, *after], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    shares, samples = shares_of_collapsed(stacks) if way else (said["shares"], 0)
    return {"all_s": cpu, "program_s": said["cpu_s"], "samples": samples, "off": max(abs(shares[n] - said["shares"][n]) for n in NAMES)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=40, help="of the program's five functions, 80 ms each (default: 40)")
    args = parser.parse_args()
    rows = {who: [] for who in WAYS}
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "program.py").write_text(PROGRAM)
        for _ in range(args.rounds):
            for who in random.sample(list(WAYS), len(WAYS)):
                try:
                    rows[who].append(one(WAYS[who], Path(name), ["program.py", str(args.turns)]))
                except Failed as failed:
                    print(f"left out, {who}: {failed}")
    print(f"{'':<30} {'CPU of all':>10} {'program':>10} {'beside it':>10}  furthest share from the program's own (middle of {args.rounds}, in points)")
    for who, runs in rows.items():
        middle = {key: statistics.median(r[key] for r in runs) for key in ("all_s", "program_s", "off")}
        print(f"{who:<30} {middle['all_s']:8.2f} s {middle['program_s']:8.2f} s {middle['all_s'] - middle['program_s']:8.2f} s  {middle['off'] * 100:.1f}")


if __name__ == "__main__":
    main()
