"""What tracing costs stays under guards: a change that makes it dear is noticed here. The figures themselves are `make bench`'s.

Ratios of CPU time, each of one round in one process, so that a busy machine is busy for all of it. A guard lies well above the bar it watches over, and is
broken when seven rounds all lie above it (sign test: 1 in 128 for a ratio that sits on the guard, and none does).
"""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linux

ROUNDS = 7
GUARDS = {
    "calls, the thread's, of untraced": 3.0,  # the bar is 1.5, the cost measured 1.6 (docs/performance.md); 2.7 where the writer's core is the other half of this one
    "calls, added, of what cProfile adds": 0.5,  # 0.35; 0.28
    "calls, with the writer, of untraced": 4.0,  # no bar; 2.2
    "malloc and free, native, added, of a call's whole cost": 3.0,  # 60 ns; 20 to 40 ns where a call takes 40 ns
    "objects, pymalloc, added, of a call's whole cost": 6.0,  # 1 to 2.5; up to 5.7 on such cores
}
# CPython's JIT takes calls into the caller's code, which no evaluator lets it do: untraced a call takes less than half, and traced as much as without.
if getattr(sys, "_jit", None) is not None and sys._jit.is_enabled():
    GUARDS.update({"calls, the thread's, of untraced": 5.0, "calls, added, of what cProfile adds": 0.75, "calls, with the writer, of untraced": 7.0})
PROGRAM = """\
import cProfile, json, sys, time
import rubinprof

ROUNDS, GUARDS = json.loads(sys.argv[1])

def step(x):
    return x + 1

def calls(n):
    for i in range(n):
        step(i)

def pairs(n):
    for i in range(n):
        bytes(2000)

def objects(n):
    for i in range(n):
        [i]

def took(f, n=150_000, clock=time.thread_time):
    start = clock()
    f(n)
    return (clock() - start) / n

def traced(name, f, **options):
    with rubinprof.Tracker(name, overwrite=True, **options):
        return took(f)

def profiled(f):
    profile = cProfile.Profile()
    profile.enable()
    cost = took(f)
    profile.disable()
    return cost

def one_round():
    call, pair, object = (min(took(f), took(f)) for f in (calls, pairs, objects))
    ours = traced("calls.rprof", calls)
    process = time.process_time()
    with rubinprof.Tracker("more.rprof", overwrite=True):
        before = time.process_time()
        calls(1_500_000)
        # The writer is some buffers behind, a few per cent of this.
        whole = (time.process_time() - before) / 1_500_000
    return dict(zip(GUARDS, (
        ours / call,
        (ours - call) / (profiled(calls) - call),
        whole / call,
        (traced("pairs.rprof", pairs) - pair) / call,
        (traced("objects.rprof", objects, pymalloc=True) - object) / call,
    )))

seen = []
while len(seen) < ROUNDS and not all(any(r[what] <= guard for r in seen) for what, guard in GUARDS.items()):
    seen.append(one_round())
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("price")
    (directory / "rounds.py").write_text(PROGRAM)
    command = [sys.executable, "rounds.py", json.dumps([ROUNDS, GUARDS])]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("what", GUARDS)
def test_a_ratio_stays_under_its_guard(rounds, what):
    figures = [round(one[what], 2) for one in rounds]
    assert min(figures) <= GUARDS[what], figures
