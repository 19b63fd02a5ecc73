"""Stores and spools on a server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rubinprof import campaign
from rubinprof.campaign.place import Place

pytestmark = pytest.mark.linux

SERVER = Path(__file__).with_name("programs") / "webdav_server.py"
SCHEMES = ("dav", "webdav", "http")
"""lsst.resources; webdav4, which can list and write; any web server."""


def ask(*words):
    return subprocess.run([sys.executable, "-m", "rubinprof", "campaign", *map(str, words)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def served(tmp_path):
    """A directory, and a WebDAV server's URL of it without the scheme."""
    root = tmp_path / "served"
    root.mkdir()
    with subprocess.Popen([sys.executable, SERVER, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield root, f"://127.0.0.1:{int(server.stdout.readline())}"
        server.stdin.close()


def test_a_store_on_a_server_answers_as_on_a_disk(served, store, spool, tmp_path):
    root, url = served
    here = campaign.open(store)
    done = ask("copy", store, f"dav{url}/store")
    assert done.returncode == 0, done.stderr
    for scheme in SCHEMES:
        there = campaign.open(f"{scheme}{url}/store")
        assert there.table("task").fetchall() == here.table("task").fetchall()
        assert there.table("line", task="isr").fetchall() == here.table("line", task="isr").fetchall()
        assert there.store.verify() == []
    assert ask("table", f"http{url}/store").stdout == ask("table", store).stdout
    assert campaign.copy(f"webdav{url}/store", tmp_path / "back") > 0
    assert campaign.Store.open(tmp_path / "back").verify() == []


def test_a_copy_of_a_store_that_was_merged_holds_nothing_twice(served, spool, tmp_path):
    root, url = served
    for path in sorted(spool.iterdir())[:2]:
        campaign.add(tmp_path / "store", path, workers=0)
        campaign.copy(tmp_path / "store", f"webdav{url}/store")
    assert campaign.copy(tmp_path / "store", f"webdav{url}/store") == 0
    assert len(list((root / "store" / "quanta").iterdir())) == 1
    for path in (f"webdav{url}/store", root / "store"):
        assert campaign.open(path).sql("SELECT count(*) FROM quanta").fetchall() == [(10,)]


def test_a_spool_on_a_server_is_read(served, store, spool, tmp_path):
    root, url = served
    shutil.copytree(spool, root / "spool")
    (root / "spool" / "broken.rprof").write_bytes(b"not a trace")
    for scheme in SCHEMES:
        target = tmp_path / scheme
        added = campaign.add(target, f"{scheme}{url}/spool", workers=0)
        assert (added.new, added.known, added.growing) == (6, 0, [])
        assert [entry["path"] for entry in added.refused] == [f"{scheme}{url}/spool/broken.rprof"]
        assert campaign.open(target).table("task").fetchall() == campaign.open(store).table("task").fetchall()
    assert campaign.add(tmp_path / "dav", f"dav{url}/spool", workers=0)[:2] == (0, 6)


def test_a_trace_on_a_server_that_may_still_grow_is_left(served, spool, tmp_path):
    root, url = served
    shutil.copy(spool / "killed.rprof", root)
    os.utime(root / "killed.rprof")
    assert campaign.add(tmp_path / "store", f"webdav{url}/", workers=0).growing == [f"webdav{url}/killed.rprof"]
    assert campaign.add(tmp_path / "store", f"webdav{url}/", workers=0, quiet_s=0).new == 1


@pytest.mark.parametrize("words", [["table", "URL/nothing"], ["table", "bla://x/y"], ["add", "URL/store", "SPOOL"], ["add", "STORE", "URL/nothing"], ["copy", "STORE", "bla://x"], ["copy", "NOTHING", "URL/x"]])
def test_what_is_not_there_is_one_sentence(served, spool, tmp_path, words):
    places = {"URL": f"webdav{served[1]}", "SPOOL": str(spool), "STORE": str(tmp_path / "none"), "NOTHING": str(tmp_path / "nothing")}
    done = ask(*["/".join(places.get(part, part) for part in word.split("/", 1)) if "bla" not in word else word for word in words])
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_place_says_which_library_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "lsst.resources", None)
    with pytest.raises(Exception, match=r"lsst\.resources is needed"):
        Place("davs://nowhere/x")
