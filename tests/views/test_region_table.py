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


def test_regions_as_a_tree_with_sums_sorted_and_cut(tmp_path, rubinprof_command):
    """A name below another is one row with its sums; what is not known of one is not known of all."""
    (tmp_path / "nested.py").write_text(
        "import rubinprof\n"
        "for i in range(9):\n"
        "    with rubinprof.region('visit', detector=i):\n"
        "        with rubinprof.region('read'):\n"
        "            kept = bytearray(1_000_000)\n"
        "        for _ in range(2):\n"
        "            with rubinprof.region('fit'):\n"
        "                sum(range(50_000))\n"
    )
    trace_file = tmp_path / "nested.rprof"
    assert rubinprof_command("run", "-o", trace_file, tmp_path / "nested.py").returncode == 0
    lines = rubinprof_command("regions", trace_file, "--tree", "--sort", "wall").stdout.splitlines()
    assert lines[0].split() == "regions wall longest CPU (process) peak leaked trend region".split()
    assert [(line.split()[0], line.rstrip().rsplit("  ", 1)[1] if line.split()[-1] == "visit" else line.split()[-1]) for line in lines[1:4]] == [("9", "visit"), ("18", "fit"), ("9", "read")]
    cut = rubinprof_command("regions", trace_file, "--tree", "-n", "1").stdout
    assert "2 more; -n -1 shows them." in cut
    with rubinprof.open(trace_file) as trace:
        longest = sorted(trace.regions(), key=lambda row: -row["wall_s"])[0]
    ranked = rubinprof_command("regions", trace_file, "--sort", "wall", "-n", "1").stdout
    assert longest["name"] in ranked.splitlines()[1] and "35 more" in ranked
    for width in ("80", "100"):
        text = rubinprof_command("regions", trace_file, "--width", width).stdout
        assert max(map(len, text.splitlines())) <= int(width) and "detector=8" in text
    refused = rubinprof_command("regions", trace_file, "--tree", "--json")
    assert refused.returncode == 2 and "--tree" in refused.stderr
