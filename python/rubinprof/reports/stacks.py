"""Where each thread of a traced program is: its Python functions, and C and C++ below them.

The program is not touched. Its trace says all of it: which calls were entered and not left, and what the last sample saw. Of a program that has ended,
or was killed, it is where it was last.
"""

import re
import time
from typing import Any

from rubinprof.errors import RubinprofError, TraceError
from rubinprof.metrics import text_of
from rubinprof.reports.style import Style, cut, safe

__all__ = ["of_process", "render"]

PATIENCE_S = 5.0


def of_process(pid: int) -> dict[str, Any]:
    """The report ``stacks`` of a process that is being traced, its own threads alone, with ``trace``: the file.

    Raises
    ------
    RubinprofError
        Raised when there is none; the text is one sentence.
    """
    from rubinprof.reports.live import trace_of_process
    from rubinprof.trace import open as open_trace

    path = trace_of_process(pid)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with open_trace(path) as trace:
                found = trace._json("stacks")
            break
        except TraceError:  # it has only just begun, or is read in the middle of a write
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    theirs = {stack["pid"] for stack in found["stacks"]}
    if theirs and not theirs & _numbers_of(pid):
        raise RubinprofError(f"process {pid} writes no trace of its own: it has that of process {min(theirs)} from its parent")
    return {"trace": path, **found}


def _numbers_of(pid: int) -> set[int]:
    """What the process is called here, and in the containers that it is in."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
            found = re.search(r"^NSpid:(.*)$", status.read(), re.MULTILINE)
    except OSError:
        found = None
    return {pid, *(int(number) for number in (found[1].split() if found else []))}


def render(found: dict[str, Any], style: Style, now: float | None) -> str:
    """The text. now: seconds since 1970, of a program that runs; else ages are those at the end of its trace."""
    lines: list[str] = []
    for stack in found["stacks"]:
        at = now if now is not None else stack["seen_unix_s"]
        lines += [*_head(stack, style, at, is_running=now is not None), *(_frame(frame, stack, style, at) for frame in stack["frames"]), ""]
    return "\n".join(lines) if lines else "no thread: all have ended\n"


def _age(at: float | None, since: float | None) -> str:
    return "?" if at is None or since is None else text_of(max(0.0, at - since), "s")


def _head(stack: dict[str, Any], style: Style, at: float | None, *, is_running: bool) -> list[str]:
    name = safe(stack["thread"] or f"thread {stack['thread_id']}")
    ago = f"{_age(at, stack['sampled_unix_s'])} {'ago' if is_running else 'before the end'}"
    if not stack["frames"]:
        note = "no sample yet" if stack["sampled"] else "runs no Python"
    elif stack["sampled"]:
        note = f"as of its last sample, {ago}"
    elif stack["sampled_unix_s"] is None:
        note = "no sample since the innermost call: its line and what it runs in C are not known"
    else:
        note = f"native functions, and the innermost line, as of its last sample, {ago}"
    return [f"{style.paint(name, 'bold')}  pid {stack['pid']}  tid {stack['os_tid']}  {style.paint(note, 'dim')}"]


def _frame(frame: dict[str, Any], stack: dict[str, Any], style: Style, at: float | None) -> str:
    is_python = frame["kind"] == "python"
    age = "" if not is_python or stack["sampled"] else _age(at, frame["entered_unix_s"])
    place = safe(frame["file"] or frame["module"])
    if frame["file"]:
        place += ":?" if frame["at_line"] is None else f":{frame['at_line']}"
    name = safe(frame["function"]) if is_python else "  " + safe(frame["function"])
    room = max(20, style.width - 10 - 2 - len(place))
    return f"{age:>10}  {cut(name, room, style.is_ascii)}  {style.paint(place, 'dim')}"
