"""What a stream is told apart by, and when a progress bar may show itself."""

import io

import pytest

from rubinprof.reports import terminal


class Stream(io.StringIO):
    def __init__(self, is_terminal=False, encoding="utf-8"):
        super().__init__()
        self._is_terminal, self._encoding = is_terminal, encoding

    def isatty(self):
        return self._is_terminal

    @property
    def encoding(self):
        return self._encoding


def test_a_pipe_has_room_for_whole_names(monkeypatch):
    monkeypatch.setenv("COLUMNS", "170")
    assert terminal.width(Stream()) == 1000
    assert terminal.width(Stream(is_terminal=True)) == 170
    monkeypatch.setenv("COLUMNS", "10")
    assert terminal.width(Stream(is_terminal=True)) == 40


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", False), ("ascii", True), ("latin-1", True), (None, True)])
def test_characters_that_a_stream_can_carry(encoding, expected):
    assert terminal.needs_ascii(Stream(encoding=encoding)) is expected


def progress_on(stream, monkeypatch, seconds):
    moments = iter([0.0, *seconds])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(moments))
    with terminal.Progress("reading", stream) as progress:
        for i in range(len(seconds)):
            progress(25 * (i + 1), 100)
    return stream.getvalue()


def test_no_bar_for_a_short_step(monkeypatch):
    assert progress_on(Stream(is_terminal=True), monkeypatch, [0.2, 0.9]) == ""


def test_no_bar_in_a_pipe(monkeypatch):
    assert progress_on(Stream(), monkeypatch, [5.0]) == ""


def test_a_long_step_tells_the_time_left_and_wipes_itself(monkeypatch):
    text = progress_on(Stream(is_terminal=True), monkeypatch, [2.0])
    assert "25%" in text and "6 s left" in text
    assert text.endswith("\r\x1b[K")
