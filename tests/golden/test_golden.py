"""Traces and stores of every release stay readable, and their figures stay what they were."""

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import golden  # noqa: E402

import rubinprof.campaign  # noqa: E402

ARCHIVES = sorted(Path(__file__).parent.glob("*/*.tar.gz"))
RELEASES = sorted(Path(__file__).parent.glob("release-*"))


def agree(now, then, where):
    """All that was said then is said now; new keys are allowed, and rows of equal rank may change places."""
    if isinstance(then, dict):
        assert isinstance(now, dict) and not then.keys() - now.keys(), where
        for key, value in then.items():
            agree(now[key], value, f"{where}.{key}")
    elif isinstance(then, list):
        assert isinstance(now, list) and len(now) == len(then), where
        known = set().union(*(row for row in then if isinstance(row, dict)))
        for i, (a, b) in enumerate(zip(sorted(now, key=rank(known)), sorted(then, key=rank(known)), strict=True)):
            agree(a, b, f"{where}[{i}]")
    elif isinstance(then, float) and not isinstance(now, bool):
        assert math.isclose(now, then, rel_tol=1e-9, abs_tol=1e-12), f"{where}: {now} for {then}"
    else:
        assert now == then, f"{where}: {now} for {then}"


def rank(known):
    """By what was known then and is no list of its own, figures rounded so that their last bit is no order."""

    def key(row):
        if not isinstance(row, dict):
            return json.dumps(row)
        return json.dumps({k: plain(v) for k, v in sorted(row.items()) if k in known and not isinstance(v, list | dict)})

    return key


def plain(value):
    return f"{value:.6g}" if isinstance(value, float) else value


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: f"{path.parent.name}-{path.name.removesuffix('.tar.gz')}")
def test_a_trace_of_a_former_version_says_what_it_said(archive, tmp_path):
    golden.unpack(archive, tmp_path)
    then = json.loads((tmp_path / golden.SAID).read_text())
    assert then.keys() == golden.questions(tmp_path).keys()
    agree(golden.say(tmp_path), then, archive.name)


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_a_store_of_a_former_version_takes_more_traces(release, tmp_path):
    golden.unpack(release / "campaign.tar.gz", tmp_path)
    golden.unpack(release / "pymalloc.tar.gz", tmp_path / "spool")
    store = rubinprof.campaign.Store.open(tmp_path / golden.STORE)
    before = rubinprof.campaign.open(store.path).totals()
    assert not store.verify()
    added = rubinprof.campaign.add(store.path, tmp_path / "spool", workers=0, quiet_s=0)
    after = rubinprof.campaign.open(store.path).totals()
    assert (added.new, after["processes"]) == (2, before["processes"] + 2) and not store.verify()


def test_each_version_has_every_kind_of_trace():
    kinds = {folder: {path.name.removesuffix(".tar.gz") for path in folder.iterdir()} for folder in {path.parent for path in ARCHIVES}}
    assert RELEASES and kinds.keys() >= set(RELEASES)
    for folder, found in kinds.items():
        assert found >= {"exact", "sampled", "killed"} | ({"no-native", "pymalloc", "campaign"} if folder in RELEASES else set()), folder
