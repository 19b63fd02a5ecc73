"""File systems that are unlike the usual: a quota, and no shared writable mappings. Real ones, mounted for the test; that needs root."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

QUOTA_BYTES = 2 << 20
IMAGE_BYTES = 120 << 20  # the least that Btrfs takes

# More than the quota holds.
BUSY = """
import json, random, rubinprof
from rubinprof import _capture
chance = random.Random(1)
def named(size): return bytes(size)
with rubinprof.Tracker("disk/x.rprof", max_bytes_per_s=1 << 40) as tracker:
    for _ in range(STEPS):
        named(chance.randrange(600, 60000))
    print(json.dumps(_capture.status()))
print("unharmed")
"""


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)


@contextlib.contextmanager
def mounted(directory, *command):
    """A directory with something mounted by this command, of which {} is the directory."""
    directory.mkdir()
    done = run(*[directory if word == "{}" else word for word in command])
    if done.returncode:
        pytest.skip(f"{command[0]} does not mount here: {done.stderr.strip()}")
    try:
        yield directory
    finally:
        run("umount", "-l", directory)


def needs(*programs):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"no {program} on PATH: ci/system_deps.sh --for-tests installs it")


@pytest.fixture
def quota(tmp_path):
    """A subvolume of Btrfs that may hold QUOTA_BYTES, at tmp_path/disk."""
    needs("mkfs.btrfs", "btrfs")
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.btrfs", "-q", "-m", "single", image, check=True)
    with mounted(tmp_path / "btrfs", "mount", "-o", "loop", image, "{}") as top:
        for words in (["quota", "enable", top], ["subvolume", "create", top / "v"], ["qgroup", "limit", str(QUOTA_BYTES), top / "v"]):
            run("btrfs", *words, check=True)
        (tmp_path / "disk").symlink_to(top / "v")
        yield


@pytest.fixture
def unmappable(tmp_path):
    """What a directory shows through FUSE without a page cache, at tmp_path/disk: mmap refuses MAP_SHARED, as some network file systems do."""
    needs("bindfs")
    (tmp_path / "beneath").mkdir()
    with mounted(tmp_path / "disk", "bindfs", "-o", "direct_io", tmp_path / "beneath", "{}"):
        yield


def test_a_quota_costs_events_and_counts_them(tmp_path, quota):
    done = run(sys.executable, "-c", BUSY.replace("STEPS", "400000"), cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    told, last = done.stdout.splitlines()
    assert last == "unharmed"
    assert json.loads(told)["error"] == "Disk quota exceeded"
    with rubinprof.open(tmp_path / "disk" / "x.rprof") as trace:
        figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    assert figures["complete"]
    assert figures["lost_calls"] > 0 and figures["lost_allocations"] > 0
    assert figures["lost_events"] >= figures["lost_calls"] + figures["lost_allocations"] + figures["lost_frees"]
    assert 0 < rows["named"]["calls"] < 400000


def test_without_shared_mappings_the_live_area_is_in_memory(tmp_path, unmappable):
    done = run(sys.executable, "-c", BUSY.replace("STEPS", "20000"), cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[0])
    assert (told["live"], told["live_reason"]) == ("memory", "the file system refuses shared writable mappings")
    with rubinprof.open(tmp_path / "disk" / "x.rprof") as trace:
        figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    assert figures["complete"] and figures["lost_events"] == 0
    assert rows["named"]["calls"] == 20000


def test_a_kill_without_shared_mappings_leaves_what_was_written(tmp_path, unmappable):
    program = BUSY.replace("STEPS", "20000").replace("    print(", "    rubinprof.sync(); import os; os.kill(os.getpid(), 9); print(")
    done = run(sys.executable, "-c", program, cwd=tmp_path, timeout=200)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with rubinprof.open(tmp_path / "disk" / "x.rprof") as trace:
        figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    assert not figures["complete"]
    assert rows["named"]["calls"] == 20000
