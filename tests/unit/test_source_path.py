"""Which file of a trace a user means by what was typed."""

import os

import pytest

from rubinprof.reports.source_path import files_meant

FILES = ["/w/t/x.py", "/w/u/x.py", "/w/t/sub/y.py", "rel.py", "<string>", ""]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("/w/t/x.py", ["/w/t/x.py"]),
        ("x.py", ["/w/t/x.py", "/w/u/x.py"]),
        ("t/x.py", ["/w/t/x.py"]),
        ("./sub/y.py", ["/w/t/sub/y.py"]),
        ("sub/../sub/y.py", ["/w/t/sub/y.py"]),
        ("rel.py", ["rel.py"]),
        ("<string>", ["<string>"]),
        ("z.py", []),
        ("ub/y.py", []),
    ],
)
def test_by_the_end_of_the_path(word, found):
    assert files_meant(word, FILES, "/w") == found


@pytest.mark.parametrize(
    ("word", "file"),
    [("./x.py", "x.py"), ("../t/x.py", "x.py"), ("../u/x.py", "../u/x.py"), ("sub/../x.py", "x.py"), ("./link.py", "x.py"), ("../link/x.py", "x.py")],
)
def test_by_the_way_from_here(tmp_path, monkeypatch, word, file):
    for name in ("t", "u"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.py").write_text("")
    os.symlink(tmp_path / "t" / "x.py", tmp_path / "t" / "link.py")
    os.symlink(tmp_path / "t", tmp_path / "link")
    monkeypatch.chdir(tmp_path / "t")
    files = [str(tmp_path / "t" / "x.py"), str(tmp_path / "u" / "x.py")]
    assert files_meant(word, files) == [os.path.normpath(tmp_path / "t" / file)]


def test_the_real_path_of_what_ran_through_a_link(tmp_path):
    (tmp_path / "real.py").write_text("")
    os.symlink(tmp_path / "real.py", tmp_path / "link.py")
    assert files_meant(str(tmp_path / "real.py"), [str(tmp_path / "link.py"), "/a.py"]) == [str(tmp_path / "link.py")]
