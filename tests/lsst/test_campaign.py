"""A campaign of the real middleware: quanta of traces, and what the butler and the summary say of the same."""

import pytest

from rubinprof import campaign
from rubinprof.cli import main

pytestmark = [pytest.mark.linux, pytest.mark.lsst]

ENDS = ["done", "failed", "done", "done"]


@pytest.fixture(scope="module")
def found(pipeline, tmp_path_factory):
    run = pipeline.run("campaign", ENDS)
    untraced = pipeline.run("campaign-untraced", ENDS, traced=False)
    store = tmp_path_factory.mktemp("campaign") / "store"
    campaign.add(store, run.traces)
    campaign.add_butler(store, str(pipeline.repo), ["campaign", "campaign-untraced"])
    campaign.add_summaries(store, pipeline.directory / "campaign" / "summary.json", pipeline.directory / "campaign-untraced" / "summary.json")
    assert untraced.exit_code == run.exit_code
    return campaign.open(store)


def test_each_quantum_is_there_once_with_or_without_a_trace(found):
    rows = found.sql("SELECT run, task, has_trace, status, count(*) FROM quanta GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [
        ("campaign", "behave", True, "done", 3),
        ("campaign", "behave", True, "failed", 1),
        ("campaign", "collect", False, "skipped", 1),
        ("campaign-untraced", "behave", False, "done", 3),
        ("campaign-untraced", "behave", False, "failed", 1),
        ("campaign-untraced", "collect", False, "skipped", 1),
    ]


def test_both_measure_the_same_time(found):
    """Theirs holds the whole of runQuantum, ours the region within it; a quantum here takes some ms of writing."""
    rows = found.sql("SELECT wall_s, butler_wall_s, butler_max_rss_bytes FROM quanta WHERE has_trace AND butler_wall_s IS NOT NULL").fetchall()
    assert len(rows) == 3
    for ours, theirs, memory in rows:
        assert 0 < ours <= theirs * 1.05 and memory > 50 << 20


def test_it_is_added_once(found, pipeline):
    store = found.store.path
    assert campaign.add_butler(store, str(pipeline.repo), ["campaign"]) == 0
    assert campaign.Store.open(store).verify() == []


@pytest.mark.parametrize(
    "words", [["--butler", "/nowhere", "--collections", "x"], ["--butler", "REPO", "--collections", "nothing"], ["--butler", "REPO"], [], ["--summary", __file__]]
)
def test_what_is_not_there_is_one_sentence(tmp_path, capfd, pipeline, words):
    words = [str(pipeline.repo) if word == "REPO" else word for word in words]
    status = main(["campaign", "metadata", str(tmp_path / "s"), *words])
    told = capfd.readouterr().err
    assert status == 2 and told.startswith("rubinprof: ") and told.count("\n") == 1, told
