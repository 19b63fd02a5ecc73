"""Names that an earlier process of the user looked up: a trace says the same with an empty cache, a full one and none, and a cache that cannot be used harms nobody."""

import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.linux

LIBRARY = """
#include <stdlib.h>
char padding[2 << 20] = { 1 };
static inline __attribute__((always_inline)) void *inner(size_t n) { return malloc(n); }
__attribute__((noinline)) void outer(void) { void *p = inner(5000); ((volatile char *)p)[0] = 1; free(p); }
"""
PROGRAM = "import ctypes; library = ctypes.CDLL('./libkept.so'); [library.outer() for _ in range(20)]"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kept")
    (directory / "kept.c").write_text(LIBRARY)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-g", "-Wl,--build-id", "-o", "libkept.so", "kept.c"], cwd=directory, check=True, timeout=60)
    return directory


def traced(place, name, cache, program=PROGRAM):
    """What the trace says of the library's functions, and how many names came out of the cache."""
    command = [sys.executable, "-m", "rubinprof", "run", "-f", "-o", f"{name}.rprof", "-c", program]
    environment = {**os.environ, "RUBINPROF_NAME_CACHE": str(cache)}
    subprocess.run(command, cwd=place, env=environment, check=True, timeout=60)
    dump = subprocess.run([sys.executable, "-m", "rubinprof", "dump", f"{name}.rprof"], cwd=place, capture_output=True, text=True, check=True, timeout=60).stdout
    symbols = sorted(set(re.findall(r"^SYMBOL .* frames=(.*kept\.c.*)$", dump, re.M)))
    return symbols, int(re.search(r"key='end.names_cached' value='(\d+)'", dump).group(1))


def test_names_are_the_same_from_the_cache_and_without(place, tmp_path):
    none, found = traced(place, "none", "off")
    assert not found and any("inner" in frames and "outer" in frames for frames in none), none
    assert traced(place, "cold", tmp_path / "cache") == (none, 0)
    kept = {path: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    assert kept
    warm, found = traced(place, "warm", tmp_path / "cache")
    assert warm == none and found >= len(none)
    for path, content in kept.items():
        path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    assert traced(place, "damaged", tmp_path / "cache") == (none, 0)
    assert traced(place, "mended", tmp_path / "cache")[0] == none
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith("writing-")]


def test_processes_that_fill_the_cache_at_once_say_the_same(place, tmp_path):
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "rubinprof", "run", "-f", "-o", tmp_path / f"{n}.rprof", "-c", PROGRAM],
            cwd=place,
            env={**os.environ, "RUBINPROF_NAME_CACHE": str(tmp_path / "cache")},
        )
        for n in range(3)
    ]
    assert [program.wait(timeout=60) for program in programs] == [0, 0, 0]
    warm, found = traced(place, "after", tmp_path / "cache")
    assert found and warm == traced(place, "none", "off")[0]


@pytest.mark.parametrize("cache", ["/proc/nowhere", "/dev/null", "relative"])
def test_a_cache_that_cannot_be_written_is_done_without_and_the_doctor_says_so(place, cache):
    assert traced(place, "without", cache) == (traced(place, "none", "off")[0], 0)
    assert not (place / "relative").exists()
    assert finding(cache)["works"] == "falls back"


def test_the_doctor_says_where_names_are_kept(place, tmp_path):
    assert finding("off")["works"] == "falls back"
    traced(place, "cold", tmp_path / "cache")
    found = finding(tmp_path / "cache")
    assert found["works"] == "yes" and re.fullmatch(rf"{tmp_path}/cache: \d+ objects?, [\d.]+ MiB", found["detail"])


def finding(cache):
    command = [sys.executable, "-m", "rubinprof", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RUBINPROF_NAME_CACHE": str(cache)}, timeout=60)
    (found,) = [entry for entry in json.loads(done.stdout) if entry["what"] == "name cache"]
    return found
