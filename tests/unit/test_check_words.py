"""The words of the documentation: what ci/check_words.py must find, and what it must let pass."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))
import check_words  # noqa: E402


def findings(text, tmp_path, monkeypatch):
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return list(check_words.found_in(page))


@pytest.mark.parametrize(
    "text",
    [
        "The figure is told at the stop.", "| key | the same |\n", "- Its time is laid to\n  another.", "word " * 33 + ".", "| " + "word " * 33 + "|\n",
    ],
)  # fmt: skip
def test_a_finding(text, tmp_path, monkeypatch):
    (said,) = findings(text, tmp_path, monkeypatch)
    assert said.startswith("page.md:1: ")


@pytest.mark.parametrize(
    "text",
    [
        "Each job has to be told to trace.", "Tasks are told apart.", "`told`", "```\nit is gone\n```\n", "word " * 20 + "end. " + "word " * 20,
        "Keys are " + ", ".join(f"`key_{i}`" for i in range(60)) + ".",
    ],
)  # fmt: skip
def test_no_finding(text, tmp_path, monkeypatch):
    assert findings(text, tmp_path, monkeypatch) == []


def test_titles_and_terms_are_read():
    titles = check_words.titles(check_words.METRICS.read_text(encoding="utf-8"))
    terms = check_words.terms(check_words.GLOSSARY.read_text(encoding="utf-8"))
    assert {"CPU time", "peak", "leaked", "temporary blocks", "samples"} <= set(titles)
    assert {"CPU", "CPU time", "peak", "leaked"} <= terms and not any(term.startswith(" ") for term in terms)
