"""Entering a running process: its main thread runs a few lines of ours as soon as it runs Python again.

CPython 3.14 brought the way (PEP 768, `sys.remote_exec`): the interpreter itself runs a script between two instructions, where
any Python code may run. A debugger that stops the process and calls into it, at whatever it was doing, can end it.

What comes back is a datagram: a process that is left alone meanwhile gets no SIGPIPE.
"""

import ast
import errno
import os
import re
import select
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from rubinprof.errors import RubinprofError

__all__ = ["Process", "NotYet"]

ANSWER_BYTES_MAX = 65536

# It is alone there: no names of ours stay, and no exception gets out, which the interpreter would print. A Ctrl-C that comes
# meanwhile is for the program. Nobody waits any more where the socket is closed: then nothing is done.
SCRIPT = """
__name__ = "rubinprof.entered"  # of ours: not in the trace


def entered():
    import _socket, _thread, os, sys
    words = {words!r}
    interrupted = False
    channel = None
    try:
        os.unlink(words["script"])
        channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            channel.connect(words["socket"])
        except OSError:
            os.unlink(words["socket"])
            os.rmdir(os.path.dirname(words["socket"]))
            raise
        try:
            is_known = words["home"] in sys.path  # its place there is the program's
            if not is_known:
                sys.path.append(words["home"])
            try:
                import rubinprof.attached
            finally:
                if not is_known:
                    sys.path.remove(words["home"])
            answer = ("done", getattr(sys.modules["rubinprof.attached"], words["what"])(*words["args"]))
        except Exception as error:
            answer = ("failed", str(error) or type(error).__name__)
        channel.send(repr(answer).encode(errors="replace"))
    except KeyboardInterrupt:
        interrupted = True
    except BaseException:
        pass
    if channel is not None:
        channel.close()
    if interrupted:
        _thread.interrupt_main()


entered()
"""


class NotYet(Exception):
    """The process has not run Python in its main thread within the time given."""


class Process:
    """A running process that can be entered.

    Parameters
    ----------
    pid : `int`
        Its number.

    Raises
    ------
    RubinprofError
        Raised when it cannot be entered; the text is one sentence that says why and what to do.
    """

    def __init__(self, pid):
        self.pid = pid
        self._refuse_what_cannot_be_entered()
        try:
            self._life = os.pidfd_open(pid)
        except ProcessLookupError:
            raise RubinprofError(f"there is no process {pid}") from None
        self._pending = None

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        if self._pending is not None:
            self._pending.give_up()
        os.close(self._life)

    def ask(self, what, *args):
        """Have a function of `rubinprof.attached` called there; its answer comes from `answer`."""
        self._pending = _Question(self.pid, what, args)
        try:
            sys.remote_exec(self.pid, self._pending.script)
        except (OSError, RuntimeError) as error:
            self._pending.remove()
            self._pending = None
            raise RubinprofError(self._why_not(error)) from None

    def answer(self, seconds=None):
        """What the function returned.

        Raises
        ------
        NotYet
            Raised when nothing came within ``seconds``.
        RubinprofError
            Raised when the function raised, or the process has ended.
        """
        question = self._pending
        ready, _, _ = select.select([question.channel, self._life], [], [], seconds)
        if not ready:
            raise NotYet
        self._pending = None
        try:
            if question.channel not in ready:
                raise RubinprofError(f"process {self.pid} has ended")
            kind, value = _read_answer(question.channel.recv(ANSWER_BYTES_MAX))
        finally:
            question.remove()
        if kind != "done":
            raise RubinprofError(f"process {self.pid}: {value}")
        return value

    def has_ended(self, seconds):
        """Wait for its end, no longer than ``seconds`` (`None`: for ever); whether it has ended."""
        return bool(select.select([self._life], [], [], seconds)[0])

    def _refuse_what_cannot_be_entered(self):
        pid, own = self.pid, "%d.%d" % sys.version_info[:2]
        instead = "start it by 'rubinprof run' instead"
        if sys.platform != "linux":
            raise RubinprofError("a running process can be entered on Linux only")
        if pid == os.getpid():
            raise RubinprofError("this is the command's own PID; name that of the program to trace")
        if not os.path.isdir(f"/proc/{pid}"):
            raise RubinprofError(f"there is no process {pid}")
        theirs = _python_of(pid)
        if theirs is None:
            raise RubinprofError(f"process {pid} is not a CPython, or one whose version cannot be seen here")
        if theirs < (3, 14):
            raise RubinprofError(f"process {pid} runs CPython 3.{theirs[1]}, and one can be entered while it runs from 3.14 on; {instead}")
        if not hasattr(sys, "remote_exec") or theirs != sys.version_info[:2]:
            raise RubinprofError(f"process {pid} runs CPython 3.{theirs[1]} and this command {own}: attach with the version of the process")
        if _files_seen_by(pid) not in (None, _files_seen_by("self")):
            raise RubinprofError(f"process {pid} is in a container, which does not see our files; type the command in there")

    def _why_not(self, error):
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        if isinstance(error, PermissionError) or getattr(error, "errno", None) in (errno.EPERM, errno.EACCES):
            return f"process {self.pid} may not be entered from here: it is another user's, or ptrace is restricted ({_ptrace_scope()})"
        if "not enabled" in str(error):
            return f"process {self.pid} was started with entering forbidden (PYTHON_DISABLE_REMOTE_DEBUG or -X disable-remote-debug)"
        return f"process {self.pid} cannot be entered: {error}"


class _Question:
    """A script in a directory of its own, and the socket on which its answer comes."""

    def __init__(self, pid, what, args):
        self._directory = tempfile.mkdtemp(prefix="rubinprof-attach-")
        self.script = os.path.join(self._directory, "enter.py")
        address = os.path.join(self._directory, "answer")
        home = str(Path(__file__).resolve().parents[1])
        words = {"script": self.script, "socket": address, "home": home, "what": what, "args": args}
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.channel.bind(address)
            Path(self.script).write_text(SCRIPT.format(words=words))
            owner = os.stat(f"/proc/{pid}")
            if owner.st_uid != os.geteuid():  # we are root: the process must be able to read it
                for path in (self.script, address, self._directory):
                    os.chown(path, owner.st_uid, owner.st_gid)
        except OSError as error:
            self.remove()
            raise RubinprofError(f"{self._directory}: {error.strerror or error}; is TMPDIR a short path that can be written?") from None

    def remove(self):
        self.channel.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def give_up(self):
        """The process may read the script yet, and would complain if it were gone. It removes it, and does nothing where nobody listens."""
        self.channel.close()


def _read_answer(answer):
    """("done" or "failed", text) out of what the process sent; it may be another user's, and send anything."""
    try:
        kind, value = ast.literal_eval(answer.decode())
        if kind in ("done", "failed") and value.isprintable():
            return kind, value
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        pass
    return "failed", "its answer makes no sense"


def _python_of(pid):
    """(3, minor) by the names of what it has loaded, `None` where they do not say; its own version where they cannot be read."""
    try:
        names = [os.path.basename(os.readlink(f"/proc/{pid}/exe"))]
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
            names += [os.path.basename(line.rstrip("\n")) for line in maps]
    except OSError:
        return sys.version_info[:2]  # the attempt to enter it says why not
    for name in names:
        if match := re.match(r"(?:lib)?python3\.(\d+)", name):
            return 3, int(match[1])
    return None


def _files_seen_by(pid):
    """What tells two views of the file system apart; `None` where it may not be asked."""
    try:
        root = os.stat(f"/proc/{pid}/root")
        return os.readlink(f"/proc/{pid}/ns/mnt"), root.st_dev, root.st_ino
    except OSError:
        return None


def _ptrace_scope():
    try:
        return "kernel.yama.ptrace_scope is " + Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip()
    except OSError:
        return "CAP_SYS_PTRACE is missing"
