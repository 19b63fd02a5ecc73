"""Traces as datasets of a real butler, from two jobs of which the second tried again what had failed."""

import tomllib

import pytest
from click.testing import CliRunner
from lsst.daf.butler import Butler
from pipeline_run import ROOT

import rubinprof
from rubinprof.lsst import butler_commands

pytestmark = [pytest.mark.linux, pytest.mark.lsst]

RUN = "provenance"


def ingest(*words):
    return CliRunner().invoke(butler_commands.ingest_rubinprof, [str(word) for word in words])


@pytest.fixture(scope="module")
def ingested(pipeline, two_jobs):
    """Done once in a session: a second time nothing is new."""
    done = ingest(pipeline.repo, two_jobs / "traces")
    assert done.exit_code == 0, done.output
    again = ingest(pipeline.repo, two_jobs / "traces", "--transfer", "copy")
    assert again.output == "0 quanta ingested; 4 were there.\n"
    return Butler.from_config(str(pipeline.repo), collections=[RUN])


def test_a_quantum_is_found_by_its_data_id_and_read_back(ingested, two_jobs):
    kind = ingested.get_dataset_type("behave_rubinprof")
    assert set(kind.dimensions.required) == {"instrument", "detector"} and kind.dimensions == ingested.get_dataset_type("behave_metadata").dimensions
    refs = ingested.query_datasets("behave_rubinprof")
    assert sorted(ref.dataId["detector"] for ref in refs) == [0, 1, 2, 3]
    rows = {detector: ingested.get("behave_rubinprof", instrument="Tiny", detector=detector) for detector in range(4)}
    assert {detector: row["labels"]["status"] for detector, row in rows.items()} == {0: "done", 1: "done", 2: "failed", 3: "no_work"}
    for detector, row in rows.items():
        assert row["labels"]["data_id"] == f"instrument=Tiny, detector={detector}" and row in [one | {"trace": row["trace"]} for one in rubinprof.open(row["trace"]).regions()]
    # The second job's trace has what was tried again, and each trace is one file for all of its quanta.
    assert rows[0]["trace"] == rows[3]["trace"] != rows[1]["trace"] == rows[2]["trace"]
    assert {row["trace"] for row in rows.values()} == {str(path) for path in (two_jobs / "traces").rglob("*.rprof")}


@pytest.mark.parametrize("case", ["no repository", "no trace", "no run"])
def test_what_cannot_be_ingested_is_one_sentence(pipeline, two_jobs, tmp_path, case):
    if case == "no run":
        with rubinprof.Tracker(tmp_path / "x.rprof"), rubinprof.region("behave", task="behave", run="nowhere", data_id="instrument=Tiny, detector=0"):
            pass
    done = ingest(tmp_path / "repo" if case == "no repository" else pipeline.repo, two_jobs / "traces" if case == "no repository" else tmp_path)
    assert done.exit_code == 1 and done.output.startswith("Error: ") and done.output.count("\n") == 1, done.output


def test_the_butler_is_told_of_the_command():
    (target,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["butler.cli"].values()
    assert target == f"{butler_commands.__name__}:commands" and butler_commands.commands() == [butler_commands.ingest_rubinprof]
