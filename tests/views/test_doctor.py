"""``rubinprof doctor``: a fallback is named with its reason."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from rubinprof.cli import doctor

pytestmark = pytest.mark.linux


def test_without_sys_the_clock_says_why_it_falls_back():
    hide = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no namespace of mounts")
    done = subprocess.run([*hide, sys.executable, "-m", "rubinprof", "doctor", "--json"], capture_output=True, text=True, check=False)
    (clock,) = [finding for finding in json.loads(done.stdout) if finding["what"] == "clock"]
    assert clock["works"] == "falls back" and "clocksource0/ cannot be read" in clock["detail"]


def findings(command=(), **variables):
    """What doctor says, by what it speaks of."""
    done = subprocess.run([*command, sys.executable, "-m", "rubinprof", "doctor", "--json"], capture_output=True, text=True, check=False, env={**os.environ, **variables})
    return {finding["what"]: finding for finding in json.loads(done.stdout)}


def test_few_timers_are_told_with_their_number():
    few = findings(["prlimit", "--sigpending=20:20", "--"])["samples"]
    assert few["works"] == "falls back" and few["detail"].startswith("only 20 threads")


@pytest.mark.parametrize("text, works, words", [("max\n", "yes", "no limit"), (f"{8 << 30}\n", "yes", "8,192 MiB"), (f"{256 << 20}\n", "falls back", "256 MiB")])
def test_a_containers_limit_of_memory_is_told(tmp_path, monkeypatch, text, works, words):
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(doctor, "LIMITS_OF_MEMORY", [str(tmp_path / "none"), str(tmp_path / "memory.max")])
    what, said, detail = doctor._memory()
    assert (what, said) == ("memory", works) and words in detail


@pytest.mark.parametrize("scope, root, works", [(0, False, "yes"), (1, False, "falls back"), (3, False, "falls back"), (1, True, "yes")])
def test_attach_knows_what_the_kernel_allows(monkeypatch, scope, root, works):
    monkeypatch.setattr(sys, "remote_exec", None, raising=False)
    monkeypatch.setattr(sys, "is_remote_debug_enabled", lambda: True, raising=False)
    monkeypatch.setattr(doctor, "_first_number", lambda paths: scope)
    monkeypatch.setattr(doctor, "_may_trace_all", lambda: root)
    assert doctor._attaching()[1] == works


def test_a_fallback_says_what_it_costs():
    status = {
        "clock": "monotonic", "clock_reason": "A", "writer": "pwrite", "writer_reason": "B", "live": "memory", "live_reason": "C",
        "switch": "none", "switch_reason": "D", "finds_tables": True, "native_walks": dict.fromkeys(("no_table", "refused", "unreadable", "again"), 0),
    }  # fmt: skip
    said = {what: (works, detail) for what, works, detail in doctor._session_findings(status)}
    for what, cost, reason in (("clock", "30 ns", "A"), ("writer", "a system call for each block", "B"), ("survives kill -9", "a kill takes", "C"), ("exact CPU time", "looks longer", "D")):
        assert said[what][0] == "falls back" and cost in said[what][1] and said[what][1].endswith(reason)
