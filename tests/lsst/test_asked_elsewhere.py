"""A ``pipetask`` that is not traced says so when others of its run are, and else nothing."""

import pytest

from pipeline_run import FRONT_END, call

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

NO_REPO = "nowhere"


@pytest.fixture(scope="module")
def submit(tmp_path_factory):
    """A submit directory; one job of the run was traced into it. There is no repository, so that each ends where the work would begin."""
    directory = tmp_path_factory.mktemp("submit")
    (directory / "logs").mkdir()
    code, output = call([*FRONT_END, "run-qbb", NO_REPO, directory / "run.qg", "--rubinprof", directory / "traces"], directory)
    assert code == 1 and "rubinprof: " not in output, output
    return directory


@pytest.mark.parametrize("words", [["run-qbb", NO_REPO, "GRAPH"], ["run", "-b", NO_REPO, "-g", "GRAPH"]], ids=lambda words: words[0])
def test_a_run_that_is_traced_elsewhere_is_told_in_one_line(words, submit, tmp_path):
    words = [submit / "run.qg" if word == "GRAPH" else word for word in words]
    code, output = call([*FRONT_END, *words], tmp_path)
    told = [line for line in output.splitlines() if line.startswith("rubinprof: ")]
    assert code == 1
    assert told == [
        f"rubinprof: this run is traced (into {submit / 'traces'}), but not this pipetask: "
        "neither --rubinprof nor RUBINPROF_PIPETASK has reached it."
    ]


@pytest.mark.parametrize(
    ("graph", "environment", "told"),
    [
        ("run.qg", {}, False),
        ("s3://bucket/run.qg", {}, False),
        ("/no/such/directory/run.qg", {}, False),
        ("SUBMIT/run.qg", {"RUBINPROF_PIPETASK": ""}, False),
        ("run.qg", {"RUBINPROF_PIPETASK_MODE": "sampled"}, True),
    ],
)
def test_who_did_not_ask_hears_nothing(graph, environment, told, submit, tmp_path):
    code, output = call([*FRONT_END, "run-qbb", NO_REPO, graph.replace("SUBMIT", str(submit))], tmp_path, **environment)
    assert code == 1
    assert ("rubinprof: RUBINPROF_PIPETASK_MODE is set" in output) == told == ("rubinprof: " in output)
