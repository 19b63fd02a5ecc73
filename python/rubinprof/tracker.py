"""Turns tracing of this process on and off.

Each traced program waits for what is imported here and in `region`: the C halves of `functools` and `warnings` alone, and no `re`,
`shlex` or `contextlib`. They would be 10 ms of a program that does not import them itself.
"""

import atexit
import os
import sys
import time
from _functools import partial
from _warnings import warn

from rubinprof.batch_job import batch_job
from rubinprof.errors import TracerError

try:
    from rubinprof import _capture
except ImportError as error:
    _capture = None
    _why_no_capture = error
else:
    import _posixsubprocess  # noqa: F401  when functions in it are replaced, tracing is on already: it must be there

__all__ = ["Tracker", "is_active", "sync"]

SUFFIX = ".rprof"
FILE_EXISTS = -4  # RP_EEXIST of rubinprof/rp_error.h
NAME_TRIES = 100
_SPAWNED = "spawned:"  # wrappers.c puts it before the words for a child of multiprocessing
_CHILD = "child:"  # child_start.c: before those for another program, with a number, the length of a name, and the name
SAMPLE_HZ_MAX = 20000  # as cpu_sample.c has it
SAMPLE_HZ = {"exact": 250, "sampled": 40, "off": 0}


class _AtLoad:
    """Functions as they were when this was loaded: a test that is traced may have put fakes in their place."""

    getpid = staticmethod(os.getpid)
    unlink = staticmethod(os.unlink)
    register = staticmethod(atexit.register)
    unregister = staticmethod(atexit.unregister)
    register_at_fork = staticmethod(os.register_at_fork) if hasattr(os, "register_at_fork") else None
    warn = staticmethod(warn)


_outermost = None  # the Tracker that started the session of this process
_fork_is_watched = False


def is_active():
    """Whether this process is being traced."""
    return _capture is not None and _capture.active()


def sync():
    """Wait until what was recorded so far is in the file; does nothing without a Tracker.

    Buffers of other threads are handed over at their next event. (That the trace survives a
    killed process does not need this.)
    """
    if is_active():
        _capture.sync()


def survives_kill():
    """Whether what is recorded is part of the file at once; else only what was written, or by `sync`."""
    return is_active() and _capture.status()["live"] == "mapped"


class Tracker:
    """Traces this process, all its threads, between ``start`` and ``stop`` or inside ``with``.

    A Tracker inside another one's stretch is allowed, records nothing of its own, and has the outer
    one's path.

    Parameters
    ----------
    path : `str` or `os.PathLike`, optional
        The file to write, which must not exist; or a directory, which is made where
        the path ends with a slash. By default
        ``rubinprof-<program>-<host>-<pid>-<start>.rprof`` in the working directory.
    native : `bool`, optional
        Whether allocations and samples carry the C and C++ functions below Python.
    cpu, memory : `str`, optional
        "exact" (every Python call, every allocation), "sampled" (estimates
        with their errors, at a cost small enough for production) or "off".
    pymalloc : `bool`, optional
        Whether to trace CPython's small-object allocator too.
    follow_fork : `bool`, optional
        Whether a forked child goes on into a file of its own beside this one;
        the same for a child of multiprocessing, however it is started.
    follow_children : `bool`, optional
        Whether other programs that are started from here (by subprocess, a
        shell, joblib …) are traced, too, where they run a Python that has
        rubinprof: each into a file of its own beside this one. Where not,
        `stats` counts them in ``not_seen``.
    tasks : `bool`, optional
        Whether the asyncio tasks that wait for the running one are part of its
        stacks: outside of a task's own functions stand those that await it.
        With ``cpu`` and ``memory`` sampled or off, on CPython 3.14 and newer.
    sources : `bool`, optional
        Whether the text of the source files whose functions ran goes into
        the trace, so that reports show it where the files are not: Python, and
        C and C++ where debug information names files that are here. At most
        512 KiB of a file and 32 MiB in all.
    sample_hz : `int`, optional
        On-CPU samples per second of CPU time and thread, from 1 to 20,000. By
        default 250, and 40 with ``cpu="sampled"``.
    labels : `dict`, optional
        What describes this run; kept in the trace as text.
    program : `str`, optional
        Stands in the default file name; made from ``sys.argv[0]`` by default.
    overwrite : `bool`, optional
        Whether a file at ``path`` may be replaced.
    store_command : `bool`, optional
        Whether the command line goes into the trace.
    max_memory_bytes, max_file_bytes : `int`, optional
        Bounds of the tool's buffers (64 MB by default) and of the file (none).
        Close to them detail gives way in a stated order, and samples stand for
        calls, but CPU time and regions go on (``docs/losses.md``).
    max_bytes_per_s : `int`, optional
        How fast the file may grow, 8 MB a second by default. When calls come
        faster, their counts and times stay exact, and only their order is
        given up; ``stats`` says for how many.
    sampled_bytes : `int` or `str`, optional
        About how large a sampled trace may become, and what each outermost
        region may add to it: bytes, or text as ``"16k"``. Samples become rarer
        as a run or a region grows, and each stands for more: estimates stay
        unbiased, and their errors say what it costs. No limit by default.
    symbols : `str` or `os.PathLike`, optional
        Directory of a symbol bundle (``rubinprof symbols build``): where code
        is sampled, names that it has are left out of the trace, which then
        needs it to be read. By default the first directory of the environment
        variable ``RUBINPROF_SYMBOLS``. One that is not there, or not sound,
        is done without: the trace has all names itself.

    Raises
    ------
    TracerError
        Raised by ``start`` when tracing cannot begin; the text says why.
    """

    def __init__(
        self,
        path=None,
        *,
        native=True,
        cpu="exact",
        memory="exact",
        pymalloc=False,
        follow_fork=True,
        follow_children=False,
        tasks=False,
        sources=False,
        sample_hz=None,
        labels=None,
        program=None,
        overwrite=False,
        store_command=True,
        max_memory_bytes=0,
        max_file_bytes=0,
        max_bytes_per_s=0,
        sampled_bytes=None,
        symbols=None,
    ):
        for mode, what in ((cpu, "cpu"), (memory, "memory")):
            if mode not in ("exact", "sampled", "off"):
                raise ValueError(f"{what} must be 'exact', 'sampled' or 'off', not {mode!r}")
        if sample_hz is None:
            sample_hz = SAMPLE_HZ[cpu]
        least = 0 if cpu == "off" else 1
        if not least <= sample_hz <= SAMPLE_HZ_MAX:
            raise ValueError(f"sample_hz must be from 1 to {SAMPLE_HZ_MAX}, not {sample_hz!r}")
        self._wanted_path = None if path is None else os.fspath(path)
        self._options = {
            "native": native,
            "cpu": cpu,
            "memory": memory,
            "pymalloc": pymalloc,
            "follow_fork": follow_fork,
            "tasks": tasks,
            "sources": sources,
            "sample_hz": sample_hz,
            "memory_bytes_max": max_memory_bytes,
            "file_bytes_max": max_file_bytes,
            "bytes_per_s_max": max_bytes_per_s,
            "sampled_bytes": size_of(sampled_bytes or 0, "sampled_bytes") if "sampled" in (cpu, memory) else 0,
            "symbols": _symbols_directory(symbols),
        }
        self._follow_children = bool(follow_children)
        self._started = {}  # whose child this process is: for its first trace
        self._labels = dict(labels or {})
        self._program = program
        self._overwrite = overwrite
        self._store_command = store_command
        self._path = None
        self._is_outermost = False
        self._known_meta = None  # of `_ask_now`

    @property
    def path(self):
        """The trace file, once started. After a fork, in the child, the child's own."""
        return self._path

    def start(self):
        """Begin to trace."""
        global _outermost
        if self._is_outermost:
            raise TracerError("this Tracker is active already")
        if _capture is None:
            raise TracerError(_sentence_without_capture())
        if _capture.active():
            self._path = _capture.path()
            return self
        if self._options["tasks"] and (reason := self._why_no_tasks()):
            raise TracerError(reason)
        self._begin(self._candidates())
        return self

    def _why_no_tasks(self):
        """Why stacks cannot have the tasks that wait; `None` where they can."""
        if "exact" in (self._options["cpu"], self._options["memory"]):
            return "tasks that wait are part of sampled stacks only: say --cpu sampled --memory sampled (cpu='sampled', memory='sampled'), or off"
        if sys.version_info < (3, 14):
            return f"CPython knows which task waits for which from 3.14 on, and this is {sys.version.split()[0]}: leave out --tasks (tasks=True)"
        return None

    def _begin(self, candidates):
        global _outermost
        try:
            self._path = self._start_into_new_file(candidates)
            self._is_outermost = True
            _outermost = self
            _AtLoad.register(_capture.call_unseen, self.stop)
            _watch_forks()
            self._put_wrappers()
        except TracerError:
            raise
        except BaseException:  # Ctrl-C, or a signal handler of the program that raises: nobody would stop what has begun
            self._is_outermost = True
            self.stop()
            if self._path is not None:
                try:
                    _AtLoad.unlink(self._path)  # a start that failed leaves no trace behind
                except OSError:
                    pass
            raise

    def _ask_now(self):
        """Ask the process now for all that a later `_start_at` needs, so that it asks nothing of a world that a test has changed."""
        self._known_meta = self._meta()
        return self

    def _start_at(self, path):
        """`start`, into this file, which does not exist; after `_ask_now`."""
        self._wanted_path = path
        self._begin([path])

    def stop(self):
        """End tracing and complete the file. Does nothing on an inner or a stopped Tracker."""
        global _outermost
        if not self._is_outermost:
            return
        try:
            _capture.remove_wrappers()
            _AtLoad.unregister(_capture.call_unseen)
            if _capture.active():
                _capture.name_threads(_thread_names)
        finally:  # Ctrl-C may come at any time
            self._is_outermost = False
            _outermost = None
            if _capture.active():
                try:
                    _capture.stop()
                except TracerError as error:
                    # The program has done its work, and goes on: what is missing stands first in every report.
                    _AtLoad.warn(f"{self._path}: {error}", RuntimeWarning, stacklevel=2)

    def __enter__(self):
        return self.start()

    def __exit__(self, exc_type, exc_value, traceback):
        self.stop()

    def stats(self):
        """What ``rubinprof stats --json`` says of the trace, as a `dict`. Complete after ``stop``."""
        if self._path is None:
            raise TracerError("this Tracker was never started")
        sync()
        from rubinprof.trace import Trace

        with Trace(self._path) as trace:
            return trace.stats()

    def _start_into_new_file(self, candidates):
        meta = self._known_meta or self._meta()
        # Now: what is called after the start is in the trace.
        self._is_one_file = self._known_meta is not None or self._names_one_file()
        for path in candidates:
            self._directory = os.path.dirname(path)
            try:
                _capture.start(path, meta=meta, **self._options)
                return path
            except TracerError as error:
                if error.code != FILE_EXISTS:
                    raise
                last_error = error
        raise last_error

    def _names_one_file(self):
        wanted = self._wanted_path
        return wanted is not None and wanted[-1:] not in ("/", b"/") and not os.path.isdir(wanted)

    def _candidates(self):
        """Absolute paths to try, best first."""
        if not self._names_one_file():
            directory = os.path.abspath(self._wanted_path or os.curdir)
            if self._wanted_path and not os.path.isdir(directory):
                try:
                    os.makedirs(directory, exist_ok=True)
                except OSError:
                    pass  # the start says what is wrong with it
            yield from self._names_in(directory)
            return
        path = os.path.abspath(self._wanted_path)
        if self._overwrite and os.path.isfile(path):
            os.unlink(path)
        yield path

    def _next_candidates(self):
        """The same for a process that comes after this one: a fork's child, the image of an exec."""
        if self._names_one_file():
            return _numbered(f"{self._path.removesuffix(SUFFIX)}-{_pid_and_start()}")
        return self._names_in(self._directory)

    def _names_in(self, directory):
        stem = f"rubinprof-{self._program_name()}-{_safe(os.uname().nodename)}-{_pid_and_start()}"
        return _numbered(os.path.join(directory, stem))

    def _program_name(self):
        program = self._program or os.path.basename(sys.argv[0] if sys.argv else "") or "python"
        return _safe(program.removesuffix(".py"))[:60] or "python"

    def _meta(self):
        meta = {"python": sys.version.split()[0], "executable": sys.executable or ""}
        if self._store_command:
            meta["command"] = _command_line(sys.orig_argv if self._started else sys.argv)  # in a child argv may begin with a mere -m as yet
        if job := batch_job():
            meta["job"] = job
        return meta | self._started | {f"label.{name}": value for name, value in self._labels.items()}

    def _go_on_in_child(self):
        """The child's half of a fork: into a file of its own, named by the same rule."""
        meta = self._meta()
        for path in self._next_candidates():
            try:
                _capture.go_on_in_child(path, meta)
            except TracerError as error:
                if error.code == FILE_EXISTS:
                    continue
                break  # a child goes on untraced rather than fail where its parent did not
            self._path = path
            self._put_wrappers()
            return
        self._is_outermost = False

    def _put_wrappers(self):
        """os._exit and os.exec* end a process behind atexit's back; os.fork would warn of our writer thread."""
        words = {
            "pid": _AtLoad.getpid(),
            "path": self._path,
            "names_one_file": self._is_one_file,
            "options": self._options,
            "labels": {name: str(value) for name, value in self._labels.items()},
            "store_command": self._store_command,
            "follow_children": self._follow_children,
        }
        # Tracing is on already: repr calls no Python function, which would be in the trace.
        words = repr(words)
        _capture.put_wrappers(words if self._options["follow_fork"] else None, words if self._follow_children else None)

    @classmethod
    def _go_on_after_exec(cls, words):
        """The half of an exec's image, of a process that multiprocessing spawned, or of another program that is followed; what `_put_wrappers`
        wrote. Does nothing in another process; but a followed program's words may come by way of others, a shell.
        """
        import ast

        kind, words, child = _parse_words(words)
        words = ast.literal_eval(words)
        if kind != _CHILD and words["pid"] != (os.getppid() if kind == _SPAWNED else os.getpid()):
            return
        if kind not in (_CHILD, _SPAWNED):  # this process's own, before its exec
            _capture.finish_former_image(words["path"])
        directory = os.path.dirname(words["path"])
        self = cls(words["path"] if words["names_one_file"] else directory, labels=words["labels"], store_command=words["store_command"])
        self._options = words["options"]
        self._follow_children = words["follow_children"]
        self._path, self._directory = words["path"], directory
        if child:
            number, name = child
            if sys.argv[:1] in (["-m"], ["-c"], [""]):  # so early Python has no better word for it
                self._program = name.split()[-1].lstrip("-") or None
            self._started = {"started.by": f"{number} of {os.path.basename(words['path'])}", "started.as": name}
        self._begin(self._next_candidates())
        self._started = {}


def _parse_words(words):
    """(kind, the words, of a child its number and name)."""
    if words.startswith(_SPAWNED):
        return _SPAWNED, words.removeprefix(_SPAWNED), None
    if not words.startswith(_CHILD):
        return "", words, None
    _, number, length, rest = os.fsencode(words).split(b":", 3)
    name, rest = rest[: int(length)], rest[int(length) :]
    return _CHILD, os.fsdecode(rest), (int(number), name.decode(errors="replace"))


def _symbols_directory(given):
    """The directory, whole; None where there is none."""
    given = os.fspath(given) if given else os.environ.get("RUBINPROF_SYMBOLS", "").split(os.pathsep)[0]
    try:
        os.fsdecode(given).encode()
    except UnicodeEncodeError:
        return None
    return os.path.abspath(os.fsdecode(given)) if given else None


def size_of(size, what):
    """Bytes of 16384, "16k", "1M"."""
    if isinstance(size, str):
        number, unit = size[:-1], size[-1:].lower()
        factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(unit)
        size = int(number) * factor if factor and number.isdecimal() else int(size) if size.isdecimal() else -1
    if not 0 <= size < 1 << 32:
        raise ValueError(f"{what} must be a size as 16k or 1M, below 4G")
    return size


# ---- names ----


def _command_line(words):
    """The words as a shell reads them."""
    if all(word and _is_made_of(word, "@%+=:,./-_") for word in words):
        return " ".join(words)
    import shlex

    return shlex.join(words)


def _is_made_of(text, marks):
    return text.isascii() and all(c.isalnum() or c in marks for c in text)


def _safe(text):
    kept = "".join(c if _is_made_of(c, "._-") else " " for c in text)
    while "  " in kept:
        kept = kept.replace("  ", " ")
    return kept.replace(" ", "_")


def _pid_and_start():
    return f"{os.getpid()}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"


def _numbered(stem):
    """The name itself, then ones for a pid that came around within a second."""
    yield stem + SUFFIX
    for n in range(2, NAME_TRIES):
        yield f"{stem}-{n}{SUFFIX}"


# ---- the process ----


def _sentence_without_capture():
    if sys.platform != "linux":
        return "tracing works on Linux only; traces can be read and shown here"
    import sysconfig  # the program need not have these: this is said where nothing is traced
    from importlib.util import find_spec

    from rubinprof.version import TRACED_PYTHONS

    python = "%d.%d" % sys.version_info[:2]
    traced = ", ".join("%d.%d" % version for version in TRACED_PYTHONS)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"tracing works on builds of CPython with the GIL, and this {python} is one without; traces can be read and shown here"
    if sys.version_info[:2] not in TRACED_PYTHONS:
        return f"tracing works on CPython {traced}, not yet on {python}; traces can be read and shown here"
    if find_spec("rubinprof._capture") is None:
        return "this rubinprof was installed without its tracing half; traces can be read and shown here"
    return f"the tracing half of rubinprof cannot be loaded: {_why_no_capture}"


def _thread_names():
    """(native id, name, lives) of Python's threads; the names of the system are cut to 15 characters, or the program's own."""
    threading = sys.modules.get("threading")
    living = threading.enumerate() if threading else []
    are_living = {id(thread) for thread in living}
    # Those that have ended may have changed their names meanwhile. Python keeps track of them for its own tests.
    ended = [thread for thread in list(getattr(threading, "_dangling", ())) if id(thread) not in are_living]
    threads = [*((thread, False) for thread in ended), *((thread, True) for thread in living)]
    # Not `name`, which a subclass may have made a method, or anything else.
    names = [(thread.native_id, getattr(thread, "_name", None), lives) for thread, lives in threads if thread.native_id]
    return [entry for entry in names if isinstance(entry[1], str)]


def _watch_forks():
    global _fork_is_watched
    if not _fork_is_watched:
        _fork_is_watched = True
        _AtLoad.register_at_fork(after_in_child=partial(_capture.call_unseen, _after_fork_in_child))


def _after_fork_in_child():
    global _outermost
    follow = _capture.forked()
    if follow is None:
        return
    # subprocess forks by itself for a preexec_fn: what follows is an exec, and a trace of the moment between would stay unfinished.
    caller = sys._getframe().f_back  # None where C forks outside of Python
    follow = follow and not (caller and caller.f_globals.get("__name__") == "subprocess")
    if follow and _outermost is not None:
        _outermost._go_on_in_child()
    if _capture.forked() is not None:
        _capture.go_on_in_child(None)
    if not _capture.active():
        if _outermost is not None:
            _outermost._is_outermost = False
        _outermost = None
        _capture.remove_wrappers()
