"""The check of docs/hot-path.md finds what a hook reaches through other functions and files, and misses no root that was renamed."""

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ci"))
check_hot_path = pytest.importorskip("check_hot_path")

CALLS = {"alloc/alloc_hook.c:hook_malloc": {"rp_emit"}, "rp_emit": {"rp_emit", "record/emit.c:slow"}, "record/emit.c:slow": {"malloc"}}
OURS = {"alloc/alloc_hook.c:hook_malloc", "rp_emit", "record/emit.c:slow"}


def test_a_call_behind_two_others_is_found(monkeypatch):
    root = r"alloc/alloc_hook\.c:hook_\w+$"
    monkeypatch.setattr(check_hot_path, "ROOTS", [(root, {"clock_gettime"})])
    (found,) = check_hot_path.problems(CALLS, OURS)
    assert re.search("malloc is reached from .*: malloc < slow < rp_emit < hook_malloc", found)
    monkeypatch.setattr(check_hot_path, "ROOTS", [(root, {"malloc"})])
    assert not list(check_hot_path.problems(CALLS, OURS))


def test_a_root_without_a_function_is_told(monkeypatch):
    monkeypatch.setattr(check_hot_path, "ROOTS", [(r"alloc/gone\.c:gone$", set())])
    assert "another name" in next(check_hot_path.problems(CALLS, OURS))


def test_a_root_of_a_later_python_is_not_missed_on_an_earlier_one(monkeypatch):
    root = r"frames/later\.c:on_call$"
    monkeypatch.setattr(check_hot_path, "ROOTS", [(root, set())])
    monkeypatch.setattr(check_hot_path, "SINCE", {root: "3.13"})
    assert not list(check_hot_path.problems(CALLS, OURS, "3.9"))
    assert list(check_hot_path.problems(CALLS, OURS, "3.13"))


def test_a_cancellation_point_counts_unless_cancellation_is_held_above_it(monkeypatch):
    monkeypatch.setattr(check_hot_path, "ON_PROGRAM_THREADS", [r"alloc/alloc_hook\.c:hook_\w+$"])
    calls = CALLS | {"record/emit.c:slow": {"nanosleep"}}
    (found,) = check_hot_path.cancellation_problems(calls, OURS)
    assert "nanosleep is a cancellation point" in found
    calls["rp_emit"] = {*calls["rp_emit"], "pthread_setcancelstate"}
    assert not list(check_hot_path.cancellation_problems(calls, OURS))
