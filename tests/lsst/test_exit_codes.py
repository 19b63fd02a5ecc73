"""A traced run ends as the untraced one does: same exit code, same report of every quantum."""

import pytest

pytestmark = [pytest.mark.lsst, pytest.mark.linux]


@pytest.mark.parametrize(
    ("name", "exit_code", "behaviours", "options"),
    [
        ("one-process", 1, ["done", "no_work", "partial", "failed"], []),
        ("spawned", 1, ["done", "no_work", "partial", "failed"], ["-j", "2"]),
        ("no-work", 0, ["no_work"], []),
        ("accepted", 0, ["partial"], ["--no-raise-on-partial-outputs"]),
        ("repeatable", 20, ["repeatable"], ["--fail-fast"]),
        ("invalid", 21, ["invalid"], []),
        ("invalid-worker", 1, ["invalid"], ["-j", "2"]),
    ],
)
def test_traced_run_ends_like_the_untraced(pipeline, name, exit_code, behaviours, options):
    traced = pipeline.run(name, behaviours, *options)
    untraced = pipeline.run(f"{name}-untraced", behaviours, *options, traced=False)
    assert (traced.exit_code, untraced.exit_code) == (exit_code, exit_code), traced.output
    assert traced.outcomes() == untraced.outcomes()
    assert traced.trace_files()
    assert "rubinprof.lsst" not in traced.output  # no warning of ours
