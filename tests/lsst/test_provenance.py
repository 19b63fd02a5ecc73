"""Provenance graphs that the real middleware wrote of two jobs, the second after the first one failed: what they tell of attempts joins the traces."""

import shutil

import pytest

from rubinprof import campaign
from rubinprof.cli import main

pytestmark = [pytest.mark.linux, pytest.mark.lsst]

RUN = "provenance"


@pytest.fixture(scope="module")
def found(two_jobs, tmp_path_factory):
    store = tmp_path_factory.mktemp("provenance") / "store"
    campaign.add(store, two_jobs / "traces", workers=0)
    assert campaign.add_provenance(store, two_jobs / "graph.qg") == 7
    return campaign.open(store)


def test_each_attempt_is_a_row_that_says_how_it_ended(found):
    rows = found.sql("SELECT task, data_id['detector'], attempt, status, exception, earlier_quanta, process = first_value(quantum_id) OVER (ORDER BY data_id['detector']) FROM provenance "
                     "ORDER BY ALL NULLS LAST").fetchall()  # fmt: skip
    assert rows == [
        ("behave", "0", 1, "done", None, 0, True),
        ("behave", "1", 1, "failed", "ValueError", 1, True),
        ("behave", "1", 2, "done", None, 0, False),
        ("behave", "2", 1, "failed", "ValueError", 2, True),
        ("behave", "2", 2, "failed", "ValueError", 1, False),
        ("behave", "3", 1, "no_work", None, 3, True),
        ("collect", None, None, "skipped", None, None, None),
    ]


def test_the_last_attempt_joins_the_last_trace(found):
    rows = found.sql("SELECT task, data_id['detector'], status, butler_status, attempts, butler_attempts, butler_exception, butler_earlier_quanta FROM quanta WHERE is_last "
                     "ORDER BY ALL NULLS LAST").fetchall()  # fmt: skip
    assert rows == [
        ("behave", "0", "done", "done", 1, 1, None, 0),
        ("behave", "1", "done", "done", 2, 2, None, 0),
        ("behave", "2", "failed", "failed", 2, 2, "ValueError", 1),
        ("behave", "3", "no_work", "no_work", 1, 1, None, 3),
        ("collect", None, "skipped", "skipped", None, None, None, None),
    ]
    ids = found.sql("SELECT count(*) FROM quanta JOIN provenance USING (quantum_id, attempt) WHERE quanta.wall_s <= provenance.wall_s AND provenance.max_rss_bytes > 50 << 20")
    assert ids.fetchall() == [(6,)]


def test_a_butler_that_has_the_graph_gives_it_with_the_metadata(pipeline, two_jobs, tmp_path):
    campaign.add(tmp_path / "store", two_jobs / "traces", workers=0)
    assert campaign.add_butler(tmp_path / "store", str(pipeline.repo), [RUN]) == 3 + 7
    assert campaign.add_provenance(tmp_path / "store", two_jobs / "graph.qg") == 0
    found = campaign.open(tmp_path / "store")
    assert campaign.Store.open(tmp_path / "store").verify() == []
    rows = found.sql("SELECT task, count(*), count(butler_wall_s), count(butler_attempts) FROM quanta WHERE is_last GROUP BY task ORDER BY task").fetchall()
    assert rows == [("behave", 4, 4, 4), ("collect", 1, 0, 0)]


@pytest.mark.parametrize("name", ["predicted.qg", "foreign", "missing"])
def test_what_is_no_provenance_graph_is_one_sentence(two_jobs, tmp_path, capfd, name):
    path = two_jobs / "predicted.qg" if name == "predicted.qg" else tmp_path / name
    if name == "foreign":
        shutil.copy(__file__, path)
    status = main(["campaign", "metadata", str(tmp_path / "s"), "--provenance", str(path)])
    told = capfd.readouterr().err
    assert status == 2 and told.startswith("rubinprof: ") and told.count("\n") == 1 and not (tmp_path / "s").exists(), told
