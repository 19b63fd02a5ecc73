"""Names of a release, made once: traces that leave them to a bundle say the same as those that carry them, and what is wrong with a bundle never harms a program."""

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import rubinprof
from rubinprof import _capture
from rubinprof.symbols import BundleError, build_bundle, open_bundle

pytestmark = pytest.mark.linux

MODULE = """
import math

class Work:
    def turn(self, seconds):
        return [math.factorial(900) for _ in range(50)]

def run(seconds):
    import time
    end = time.process_time() + seconds
    while time.process_time() < end:
        Work().turn(seconds)
"""


@pytest.fixture
def release(tmp_path):
    """A directory of code, and a bundle of it."""
    package = tmp_path / "release" / "python" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "till.py").write_text(MODULE)
    (package / "broken.py").write_text("def (")
    (package / "not_an_object.so").write_bytes(b"\x7fELFnonsense")
    made = build_bundle([tmp_path / "release"], tmp_path / "bundle", jobs=1)
    assert made["codes"] >= 4
    return tmp_path


def traced(release, name, symbols=None, **environment):
    path = release / f"{name}.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", path, "--cpu", "sampled", "--memory", "sampled", "-c", "from shop.till import run; run(0.4)"]
    environment = {**os.environ, "RUBINPROF_SYMBOLS": str(symbols or ""), "PYTHONPATH": str(release / "release" / "python"), **environment}
    subprocess.run(command, env=environment, check=True, timeout=60)
    return path


def definitions(path):
    done = subprocess.run([sys.executable, "-m", "rubinprof", "dump", path], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def names(path):
    return {(row["function"], row["file"], row["module"]) for row in rubinprof.open(path).table(by="function") if "till" in (row["file"] or "")}


def test_a_trace_leaves_its_names_to_the_bundle_and_says_the_same(release, monkeypatch):
    monkeypatch.delenv("RUBINPROF_SYMBOLS", raising=False)
    alone, leaving = traced(release, "alone"), traced(release, "leaving", release / "bundle")
    assert "CODE_REF" not in definitions(alone)
    assert "CODE_REF" in definitions(leaving)
    assert "Work.turn" not in definitions(leaving)
    assert names(leaving) >= {(f, str(release / "release/python/shop/till.py"), "shop.till") for f in ("run", "Work.turn")}
    assert names(leaving) <= names(alone) | names(leaving)
    sums = {entry["file"]: (entry["bytes"], entry["crc32c"]) for entry in json.loads(sources(leaving))["sums"]}
    assert sums[str(release / "release/python/shop/till.py")] == (len(MODULE), _capture.crc32c(MODULE.encode()))


def sources(path):
    command = [sys.executable, "-m", "rubinprof", "sources", "--json", path]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_bundle_that_is_elsewhere_is_found_or_told_as_missing(release, tmp_path):
    trace = traced(release, "leaving", release / "bundle")
    os.rename(release / "bundle", release / "moved")
    environment = {**os.environ, "RUBINPROF_SYMBOLS": ""}
    command = [sys.executable, "-m", "rubinprof", "table", trace]
    missing = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1 and "symbol bundle that is not here" in missing.stderr
    for given in ([*command, "--symbols", str(release / "moved")], command):
        there = {**environment, "RUBINPROF_SYMBOLS": f"/nowhere{os.pathsep}{release / 'moved'}" if given is command else ""}
        found = subprocess.run(given, capture_output=True, text=True, env=there, timeout=60)
        assert found.returncode == 0 and "run" in found.stdout, found.stderr
    # Another release at the place where it was is not taken for it.
    (release / "release" / "python" / "shop" / "more.py").write_text("def more(): pass\n")
    build_bundle([release / "release"], release / "bundle", jobs=1)
    assert subprocess.run(command, capture_output=True, env=environment, timeout=60).returncode == 2


@pytest.mark.parametrize("fault", ["absent", "half made", "damaged", "cut", "stale"])
def test_a_bundle_that_is_not_sound_costs_only_its_bytes(release, fault):
    bundle = release / "bundle"
    table = bundle / "code.rpsym"
    if fault == "absent":
        bundle = release / "nowhere"
    elif fault == "half made":
        (bundle / "bundle").unlink()
    elif fault == "damaged":
        content = bytearray(table.read_bytes())
        content[70] ^= 1
        table.write_bytes(content)
    elif fault == "cut":
        os.truncate(table, table.stat().st_size // 2)
    else:  # the file was edited after the bundle was made
        (release / "release" / "python" / "shop" / "till.py").write_text("# a line\n" + MODULE)
    trace = traced(release, "alone", bundle)
    assert "CODE_REF" not in "\n".join(line for line in definitions(trace).splitlines() if "till" in line)
    assert {name for name, *_ in names(trace)} >= {"run", "Work.turn"}
    if fault in ("damaged", "cut"):
        assert open_bundle(bundle).faults()


def test_objects_are_named_as_by_their_symbol_tables(release):
    path = _capture.__file__
    found = _capture.object_functions(path)
    if found is None:
        pytest.skip("this build has no build id")
    starts = [start for start, _ in found[1]]
    assert starts == sorted(set(starts))
    assert b"PyInit__capture" in [name for _, name in found[1]]


def test_two_makers_at_once_leave_a_whole_bundle(release):
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: build_bundle([release / "release"], release / "bundle", jobs=1), range(2)))
    assert made[0] == made[1]
    bundle = open_bundle(release / "bundle")
    assert bundle.faults() == [] and bundle.id == made[0]["id"]
    assert not [path for path in (release / "bundle").rglob(".*")]


def test_a_full_disk_leaves_no_bundle(release):
    command = [sys.executable, "-m", "rubinprof", "symbols", "build", "-j", "1", release / "release", "-o", release / "bundle"]

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    # Under such a limit CPython leaves cut bytecode behind, on which every later import fails.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=little_room, timeout=60, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("rubinprof symbols: the bundle cannot be written") and done.stderr.count("\n") == 1
    with pytest.raises(BundleError):
        open_bundle(release / "bundle")
    assert not [path for path in (release / "bundle").rglob(".*")]
