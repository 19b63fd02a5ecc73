"""The page as a file: what holds without a browser."""

import base64
import gzip
import hashlib
import json
import os
import re

import pytest

from rubinprof.reports import flamegraph

FLAME = json.dumps({"meta": {}, "strings": [], "frames": {}, "nodes": {}}).encode()


def render(**changes):
    return flamegraph.render(FLAME, **{"stats": {}, "rows": [], **changes})


def test_the_policy_names_exactly_what_runs():
    page = render()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    for tag in ["script", "style"]:
        for text in re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy


def test_nothing_is_loaded_from_elsewhere():
    page = render()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\s*\(", page)


def test_columns_are_carried_as_they_are():
    block = re.search(r'id="rp-data-flame">([^<]*)<', render())[1]
    assert gzip.decompress(base64.b64decode(block)) == FLAME


def test_the_same_trace_makes_the_same_page():
    assert render() == render()


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "{{flame}}", '"><b>', "<!--", "\\1"])
def test_names_are_escaped_and_fill_nothing(text):
    plain = render()
    page = render(stats={"command": text}, rows=[{"function": text, "file": text}], region=text)
    for tag in ["<script", "</script>", "<b>", "<!--"]:
        assert page.count(tag) == plain.count(tag)
    assert page.count('id="rp-data-flame"') == 1


class FakeTrace:
    def report(self, name, **options):
        return FLAME

    def stats(self):
        return {"command": "x"}

    def table(self, **options):
        return []

    def regions(self):
        return [{"labels": {"task": "isr", "data_id": "visit=1"}}, {"labels": {}}]


def test_write_replaces_as_a_whole(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    flamegraph.write(FakeTrace(), str(page))
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert os.listdir(tmp_path) == ["page.html"]


def test_write_follows_a_link(tmp_path):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    flamegraph.write(FakeTrace(), str(tmp_path / "link.html"))
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text(encoding="utf-8") != "old"


def test_write_names_the_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError) as caught:
        flamegraph.write(FakeTrace(), str(tmp_path / "no" / "page.html"))
    assert caught.value.filename == str(tmp_path / "no" / "page.html")


def test_a_failure_leaves_the_old_page(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError):
        flamegraph.write(FakeTrace(), str(page))
    assert page.read_text() == "old" and os.listdir(tmp_path) == ["page.html"]
