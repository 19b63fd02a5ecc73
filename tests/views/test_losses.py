"""What is missing from a trace comes first, whatever the report."""

import pytest

pytestmark = pytest.mark.linux


@pytest.fixture(scope="module")
def killed(traces, tmp_path_factory, rubinprof_command):
    """The trace of a process that was killed."""
    path = tmp_path_factory.mktemp("killed") / "killed.rprof"
    program = f"import os, runpy; runpy.run_path({str(traces.program)!r}, run_name='__main__'); os.kill(os.getpid(), 9)"
    assert rubinprof_command("run", "-o", path, "-c", program).returncode == -9
    return path


@pytest.mark.parametrize("words", [["stats"], ["table"], ["tree"], ["lines", "work.py"], ["regions"], ["leaks"], ["temporary"]])
def test_losses_come_first(traces, killed, rubinprof_command, words):
    text = rubinprof_command(words[0], killed, *words[1:]).stdout
    head = text.partition("\n\n")[0]
    assert "Killed        1 of 1 processes" in head and not any(line.startswith(" ") for line in head.splitlines()), text[:500]
    assert "Killed" not in rubinprof_command(words[0], traces.a[0], *words[1:]).stdout
