"""What `rubinprof tree` leaves out, and what it does not."""

import json
import re

import pytest

pytestmark = pytest.mark.linux


def frames(done):
    """Lines of the tree."""
    return [line for line in done.stdout.splitlines() if re.match(r" *[<\d][\d.<]* %", line)]


def test_a_share_of_nothing_hides_nothing(traces, rubinprof_command, analyze_command):
    """0 was taken for the option's absence, and nodes below half a percent stayed hidden."""
    whole = len(json.loads(rubinprof_command("tree", traces.a[0], "--json").stdout)["nodes"])
    for command in (rubinprof_command, analyze_command):
        assert len(frames(command("tree", traces.a[0]))) < whole
        assert len(frames(command("tree", traces.a[0], "--min-share", "0"))) == whole
