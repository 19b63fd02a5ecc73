"""Mappings apart from memory in every form of the tables: JSON, CSV, Parquet, text."""

import csv
import io
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

MB = 1 << 20
PROGRAM = """
import mmap, os, tempfile
import rubinprof

f = tempfile.TemporaryFile(dir=os.path.dirname(rubinprof.__file__))
f.truncate(16 << 20)
with rubinprof.region("reads"):
    read = mmap.mmap(f.fileno(), 16 << 20, access=mmap.ACCESS_READ)
    copy = mmap.mmap(f.fileno(), 16 << 20, access=mmap.ACCESS_COPY)
with rubinprof.region("shares"):
    copy.close()
    block = mmap.mmap(-1, 8 << 20)
with rubinprof.region("neither"):
    read.close()
    block.close()
with rubinprof.region("after"):
    pass
"""
WANTED = {"reads": (32, 0), "shares": (32, 8), "neither": (16, 8), "after": (0, 0)}


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_regions_have_what_was_mapped(tmp_path, rubinprof_command, mode):
    path = tmp_path / "t.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "--cpu", mode, "--memory", mode, "-o", path, "-c", PROGRAM]
    subprocess.run(command, check=True, timeout=120)

    def found(rows):
        return {row["name"]: (int(row["mapped_file_bytes"]) // MB, int(row["shared_bytes"]) // MB) for row in rows}

    assert found(rubinprof.open(path).regions()) == WANTED
    assert found(csv.DictReader(io.StringIO(rubinprof_command("regions", path, "--csv").stdout))) == WANTED
    lines = rubinprof_command("regions", path).stdout.splitlines()
    [shares] = [line for line in lines if "shares" in line]
    assert "(mapped files 32.0 MiB) (shared 8.00 MiB)" in shares
    assert not any("mapped" in line for line in lines if "after" in line)
    rows = csv.DictReader(io.StringIO(rubinprof_command("table", path, "--by", "file", "--csv").stdout))
    assert sum(int(row["mapped_file_bytes"]) for row in rows if row["kind"] == "python") == 32 * MB

    pyarrow = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "t.parquet"
    assert rubinprof_command("export", path, "--by", "region", "-f", "parquet", "-o", out).returncode == 0
    assert found(pyarrow.read_table(out).to_pylist()) == WANTED


ZERO = """
import mmap, os, rubinprof
zero = os.open("/dev/zero", os.O_RDWR)
with rubinprof.region("private"):
    private = mmap.mmap(zero, 64 << 20, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
with rubinprof.region("shared"):
    shared = mmap.mmap(zero, 32 << 20, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_mapping_of_dev_zero_is_memory_without_a_file(tmp_path, mode):
    path = tmp_path / "t.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "--cpu", mode, "--memory", mode, "-o", path, "-c", ZERO]
    subprocess.run(command, check=True, timeout=120)
    rows = {row["name"]: row for row in rubinprof.open(path).regions()}
    assert [(row["mapped_file_bytes"], row["shared_bytes"] // MB) for row in rows.values()] == [(0, 0), (0, 32)]
    assert 64 * MB <= rows["private"]["peak_above_start_bytes"] < 66 * MB
    assert rows["shared"]["peak_above_start_bytes"] < 2 * MB


SEVERAL = """
import mmap, os, tempfile, rubinprof
f = tempfile.TemporaryFile(dir=os.path.dirname(rubinprof.__file__))
f.truncate(16 << 20)
inherited = mmap.mmap(-1, 32 << 20)
if os.fork() == 0:
    read, block = mmap.mmap(f.fileno(), 16 << 20, access=mmap.ACCESS_READ), mmap.mmap(-1, 8 << 20)
    raise SystemExit
os.wait()
"""


def test_what_several_processes_map_has_the_largest_and_the_sum(tmp_path, rubinprof_command):
    path = tmp_path / "t"
    path.mkdir()
    subprocess.run([sys.executable, "-m", "rubinprof", "run", "-o", path / "t.rprof", "-c", SEVERAL], check=True, timeout=120)
    stats = rubinprof.open(path).stats()
    assert stats["processes"] == 2
    found = {key: stats[key] // MB for key in stats if key.startswith(("shared_bytes", "mapped_file_bytes"))}
    assert found == {"shared_bytes": 32, "shared_bytes_summed": 40, "mapped_file_bytes": 16, "mapped_file_bytes_summed": 16}
    for metric in ("shared", "mapped_file"):
        assert "counted once a process" in rubinprof_command("table", path, "-m", metric).stdout
    assert "counted once a process" not in rubinprof_command("table", path, "-m", "peak").stdout
    text = rubinprof_command("stats", path).stdout
    assert "Mapped files  16.0 MiB at most: pages of files" in text
    assert "Shared        32.0 MiB (of one process at most; 40.0 MiB over all, where the same memory may count several times): memory" in text
