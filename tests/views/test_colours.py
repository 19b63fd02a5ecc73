"""Reports for people: colours and bars in a terminal, plain text elsewhere."""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios

import pytest

pytestmark = pytest.mark.linux


@pytest.mark.parametrize("words", [["stats"], ["table"], ["table", "--by", "line"], ["tree"], ["lines", "work.py"], ["regions"], ["leaks"], ["temporary"]])
@pytest.mark.parametrize("columns", [80, 120])
def test_colours_for_people_fit_the_window_and_are_left_out_on_request(traces, words, columns):
    """The same words with and without colour; what is coloured never wraps."""
    command = shlex.join([sys.executable, "-m", "rubinprof", words[0], str(traces.a[0]), *words[1:]])

    def in_a_terminal(**environment):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
        process = subprocess.Popen(
            shlex.split(command), stdout=follower, stdin=follower, stderr=subprocess.PIPE,
            env={**base, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment},
        )  # fmt: skip
        os.close(follower)
        seen = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux says so at the end
                break
            if not part:
                break
            seen += part
        os.close(leader)
        assert process.wait() == 0, process.stderr.read()
        process.stderr.close()
        return seen.decode().replace("\r\n", "\n")

    coloured, plain = in_a_terminal(), in_a_terminal(NO_COLOR="1")
    assert "\x1b[" in coloured and "\x1b" not in plain
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    if words[0] != "stats":
        assert max(map(len, bare.splitlines())) <= columns, bare
    assert words[0] != "stats" or bare == plain
