"""The errors of estimates are honest: over many seeds the 95 % interval holds the truth, of the figures that say so little too.

In one process, tracing on and off: each session begins with a full bucket, as a small quantum does.
"""

import collections
import json
import subprocess
import sys
import textwrap

import pytest

import rubinprof

pytestmark = pytest.mark.linux

SESSIONS, REGIONS = 25, 16
# Blocks of one size a region, 0.3 to 20 MB in all, kept or not; before some of them, blocks that were there are freed.
PROGRAM = textwrap.dedent("""
    import json, random, sys, rubinprof
    SIZES = [600, 2000, 9000, 40000, 300000]
    # An arena of small objects that is made inside a region and stays is its leak, of 1 MiB: here they are made before, and kept.
    anchors = [bytearray() for _ in range(60000)][::60]

    def session(path, random):
        truth, heap = [], 0
        with rubinprof.Tracker(path, cpu="sampled", memory="sampled"):
            others = {}
            for i in range(1500):
                others[i] = bytearray(random.choice(SIZES[:4]))
                heap += len(others[i]) + 1
            for i in range(int(sys.argv[3])):
                size = random.choice(SIZES)
                count = max(1, int(random.choice([3e5, 1e6, 4e6, 2e7]) / size))
                own, keeps, shrinks = dict.fromkeys(range(count)), random.random() < 0.5, random.random() < 0.3
                with rubinprof.region("quantum"):
                    start = heap
                    for _ in range(100 if shrinks and len(others) > 100 else 0):
                        heap -= len(others.popitem()[1]) + 1
                    for j in range(count):
                        own[j] = bytearray(size)
                    made = count * (size + 1)
                    if not keeps:
                        own.clear()
                truth.append({"peak_above_start_bytes": max(0, heap + made - start), "leaked_bytes": made * keeps, "allocated_bytes": made,
                              "allocations": count, "leaked_allocations": count * keeps})
                own.clear()
        return truth

    truths = [session(f"{sys.argv[1]}/{seed}.rprof", random.Random(seed)) for seed in range(int(sys.argv[2]))]
    print(json.dumps(truths))
""")


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """By figure: (truth, estimate, error) of each region of each session."""
    directory = tmp_path_factory.mktemp("estimates")
    words = [sys.executable, "-c", PROGRAM, directory, str(SESSIONS), str(REGIONS)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    found = collections.defaultdict(list)
    for seed, truths in enumerate(json.loads(done.stdout)):
        with rubinprof.open(directory / f"{seed}.rprof") as trace:
            for row, truth in zip(trace.regions(), truths, strict=True):
                for key, value in truth.items():
                    found[key].append((value, row[key], row[f"{key}_error"]))
    return found


KEYS = ["peak_above_start_bytes", "leaked_bytes", "allocated_bytes", "allocations", "leaked_allocations"]


@pytest.mark.parametrize("key", KEYS)
def test_the_interval_holds_the_truth(figures, key):
    # 95 % is claimed, 97 to 99 % found (few samples: wider). Of 400 figures fewer than 92 % would be so by chance once in 10,000 times.
    held = [abs(estimate - truth) <= error for truth, estimate, error in figures[key]]
    assert sum(held) >= 0.92 * len(held), f"{sum(held)} of {len(held)}"


@pytest.mark.parametrize("key", KEYS)
def test_figures_that_are_not_vague_are_of_use(figures, key):
    useful = [(truth, estimate) for truth, estimate, error in figures[key] if error < estimate]
    assert len(useful) > 50
    assert all(truth > 0 for truth, _ in useful)
    near = [estimate / truth for truth, estimate in useful if 0.5 <= estimate / truth <= 2]
    assert len(near) > 0.9 * len(useful)


def test_what_no_sample_hit_is_not_told_as_exact(figures):
    none = [(truth, error) for truth, estimate, error in figures["leaked_bytes"] if estimate == 0]
    assert any(truth > 0 for truth, _ in none) and all(error > 0 for _, error in none)
