"""A table by region ranks the regions, and honours or refuses every option of a table."""

import csv
import io
import json

import pytest

import rubinprof

pytestmark = pytest.mark.linux

KEYS = {"cpu": "process_cpu_s", "wall": "wall_s", "peak": "peak_bytes", "allocated": "allocated_bytes", "leaked": "leaked_bytes"}


@pytest.fixture(scope="module")
def sized(rubinprof_command, tmp_path_factory):
    """Three regions, the middle one of which allocates the most and lasts the least."""
    home = tmp_path_factory.mktemp("regions")
    (home / "sized.py").write_text(
        "import rubinprof\n"
        "for size, rounds in ((2, 300_000), (3, 1), (1, 100_000)):\n"
        "    with rubinprof.region('step', size=size):\n"
        "        kept = bytearray(size * 1_000_000)\n"
        "        sum(range(rounds))\n"
    )
    done = rubinprof_command("run", "-o", home / "sized.rprof", home / "sized.py")
    assert done.returncode == 0, done.stderr
    return home / "sized.rprof"


@pytest.mark.parametrize("metric", KEYS)
def test_rows_are_ranked_and_cut(sized, metric):
    with rubinprof.open(sized) as trace:
        whole = sorted(trace.regions(), key=lambda row: -row[KEYS[metric]])
        assert trace.table("region", metric) == whole and len(whole) == 3
        assert trace.table("region", metric, 2) == whole[:2]
        assert [row["index"] for row in trace.table("region", "allocated")] == [1, 0, 2]


def test_the_command_ranks_too(sized, rubinprof_command):
    words = ["table", sized, "--by", "region", "-m", "allocated", "-n", "2"]
    found = json.loads(rubinprof_command(*words, "--json").stdout)
    assert (found["by"], found["metric"], found["rows_total"]) == ("region", "allocated", 3)
    assert [row["labels"] for row in found["rows"]] == [{"size": "3"}, {"size": "2"}]
    rows = list(csv.DictReader(io.StringIO(rubinprof_command(*words, "--csv").stdout)))
    assert [row["index"] for row in rows] == ["1", "0"]
    assert list(rows[0]) == next(csv.reader(io.StringIO(rubinprof_command("regions", sized, "--csv").stdout)))
    head, first, second, more = rubinprof_command(*words).stdout.splitlines()
    assert head.split()[:2] == ["allocated", "wall"] and head.split()[-1] == "region"
    assert first.endswith("step size=3") and second.endswith("step size=2") and more.startswith("1 more")


@pytest.mark.parametrize("words", [["--region", "step"], ["--from", "0.001"], ["--to", "1"], ["-m", "temporary"]])
def test_what_is_not_honoured_is_refused(sized, rubinprof_command, words):
    done = rubinprof_command("table", sized, "--by", "region", *words)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done


@pytest.mark.parametrize("words", [["--region", "step"], ["--from", "0.001"]])
def test_the_analyzer_refuses_what_it_does_not_honour(sized, analyze_command, words):
    done = analyze_command("table", sized, "--by", "region", *words)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done


@pytest.mark.parametrize("words", [["--by", "region"], ["--by", "region", "--metric", "allocated", "-n", "2"], ["--by", "region", "-n", "1", "--csv"], ["--by", "thread", "--csv"]])
def test_the_analyzer_takes_what_the_command_takes(sized, analyze_command, rubinprof_command, words):
    assert analyze_command("table", sized, *words).stdout == rubinprof_command("table", sized, *words).stdout


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_exports_refuse_a_region_of_regions(sized, rubinprof_command, tmp_path, format):
    done = rubinprof_command("export", sized, "--format", format, "--by", "region", "--region", "step", "-o", tmp_path / "x")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not (tmp_path / "x").exists(), done


def test_the_data_frame_is_the_table(sized):
    pytest.importorskip("pandas")
    with rubinprof.open(sized) as trace:
        assert list(trace.to_pandas("region", "allocated", 2)["index"]) == [1, 0]
