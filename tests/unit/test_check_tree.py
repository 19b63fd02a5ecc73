"""The check that nothing of others lies in the tree."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "ci"))
import check_tree  # noqa: E402


@pytest.mark.parametrize("path", ["jinja2-3.1.6-py3-none-any.whl", "wsgidav-4.4.0.tar.gz", "tests/views/page.png", "a.out", "core"])
def test_what_people_do_not_write_is_found(path):
    assert path in check_tree.complaint(path)


@pytest.mark.parametrize("path", ["csrc/cpu/cpu.h", ".ci/run", "docs/guide/pictures/page.png", "tests/fuzz/corpus/fuzz_index/seed-01"])
def test_what_people_write_passes(path):
    assert check_tree.complaint(path) is None
