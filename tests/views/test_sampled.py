"""What a sampled trace does not tell is told nowhere as a 0."""

import io
import json
import pstats

import pytest

import rubinprof
from rubinprof import exports

pytestmark = pytest.mark.linux

UNKNOWN = {"wall", "gil_wait", "calls", "temporary"}


@pytest.fixture(scope="module")
def path(traces, rubinprof_command, tmp_path_factory):
    path = tmp_path_factory.mktemp("sampled") / "s.rprof"
    done = rubinprof_command("run", "-o", path, "--cpu", "sampled", "--memory", "sampled", "--sample-hz", "997", traces.program, "3")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def export(path):
    """Exports in this process; returns the bytes."""

    def write(format, **options):
        out = io.BytesIO()
        with rubinprof.open(path) as trace:
            exports.write(trace, out, format, exports.Options(**options))
        return out.getvalue()

    return write


def test_the_tree_has_null_for_a_column(path):
    with rubinprof.open(path) as trace:
        flame, page = trace.report("flame"), trace.report("page")
    assert {key for key, column in json.loads(flame)["nodes"].items() if column is None} == UNKNOWN
    assert {key for key, column in json.loads(page)["lines"]["own"].items() if column is None} == UNKNOWN


def test_regions_have_null_too(path):
    with rubinprof.open(path) as trace:
        regions = trace.regions()
    assert regions and all(region["calls"] is None and region["gil_wait_s"] is None for region in regions)
    assert all(region["wall_s"] > 0 for region in regions)


@pytest.mark.parametrize("format", exports.FORMATS)
def test_every_format_can_be_written(export, format):
    assert export(format)


def test_formats_of_all_metrics_leave_unknown_ones_out(export):
    events = next(line for line in export("callgrind").decode().splitlines() if line.startswith("events: "))
    assert not UNKNOWN & set(events.split())
    profiles = json.loads(export("speedscope"))["profiles"]
    assert not UNKNOWN & {profile["name"] for profile in profiles}
    assert b'"by wall"' not in export("perfetto")


@pytest.mark.parametrize(("format", "metric"), [("pstats", "wall"), ("collapsed", "wall"), ("collapsed", "calls")])
def test_an_unknown_metric_is_refused_by_name(export, format, metric):
    with pytest.raises(ValueError, match=f"nobody has measured {metric}"):
        export(format, metric=metric)


def test_pstats_has_time_without_calls(export, tmp_path):
    file = tmp_path / "s.pstats"
    file.write_bytes(export("pstats"))
    stats = pstats.Stats(str(file))
    assert stats.total_tt > 0 and stats.total_calls == 0


def test_a_difference_knows_what_is_unknown(path):
    from rubinprof import compare

    runs = compare.read_runs(path, want_flame=True)
    nodes = compare.diff_flame(runs, runs)["nodes"]
    assert all({key for key, column in nodes[side].items() if column is None} == UNKNOWN for side in "ab")
