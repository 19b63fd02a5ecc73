"""rubinprof run: runs a program traced, as the interpreter would have run it.

The program must not notice: sys.argv, sys.path[0], the module __main__, its exit status, tracebacks and signals
are what plain Python gives it.
"""

import argparse
import builtins
import importlib.machinery
import os
import runpy
import sys
import types
import zipimport

from rubinprof.errors import RubinprofError
from rubinprof.tracker import Tracker

EXIT_BAD_USE = 2

EXAMPLE = """example:
  rubinprof run -o isr.rprof script.py --its-own arguments
  rubinprof run -m package.module arguments
  rubinprof run -c 'import this'
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "run",
        help="run a program traced",
        description="Run a program traced. Its arguments, exit status, streams and signals are its own; the trace is "
        "rubinprof-<program>-<host>-<pid>-<start>.rprof in the working directory unless -o names another.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="rubinprof run [options] (SCRIPT | -m MODULE | -c CODE) [ARGS ...]",
    )
    modes = ["exact", "off"]
    add = parser.add_argument
    add("-o", "--output", metavar="OUT", help="the trace file, which must not exist, or an existing directory")
    add("-f", "--force", action="store_true", help="replace the trace file when it exists")
    add("--cpu", choices=modes, default="exact", help="Python calls and CPU samples (default: exact)")
    add("--memory", choices=modes, default="exact", help="allocations (default: exact)")
    add("--no-native", action="store_true", help="do not record the C and C++ functions below Python")
    add("--pymalloc", action="store_true", help="trace CPython's small-object allocator too")
    add("--no-follow-fork", action="store_true", help="do not trace forked children")
    add("--no-command", action="store_true", help="do not store the command line in the trace")
    add("--sample-hz", type=_rate, default=1000, metavar="N", help="samples per CPU second and thread (default: 1000)")
    add("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add("-c", dest="code", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add("script", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(parser=parser)


def _rate(text):
    rate = int(text)
    if not 0 <= rate <= 100000:
        raise argparse.ArgumentTypeError("must be from 0 to 100000")
    return rate


def run(args):
    program = _choose_program(args)
    tracker = Tracker(
        args.output,
        native=not args.no_native,
        cpu=args.cpu,
        memory=args.memory,
        pymalloc=args.pymalloc,
        follow_fork=not args.no_follow_fork,
        sample_hz=args.sample_hz,
        program=program.name,
        overwrite=args.force,
        store_command=not args.no_command,
    )
    try:
        program.prepare()
    except _CannotRun as reason:
        print(f"rubinprof: {reason}", file=sys.stderr)
        return EXIT_BAD_USE
    except Exception as error:  # a syntax error: said as Python says it
        return _report(error)
    try:
        tracker.start()
    except (RubinprofError, OSError) as error:
        print(f"rubinprof: {error}", file=sys.stderr)
        return EXIT_BAD_USE
    # The tracer stops at exit, after what the program registers there itself.
    try:
        program.run()
    except SystemExit:
        if not program.has_begun():  # no module of that name: a trace of nothing
            tracker.stop()
            os.unlink(tracker.path)
        raise
    except KeyboardInterrupt as interrupt:
        _report(interrupt)
        # Python then dies by SIGINT, once everything is put away. The traceback was shown above.
        sys.excepthook = lambda *ignored: None
        raise
    except BaseException as error:
        sys.exit(_report(error))
    return 0


class _CannotRun(Exception):
    """There is no program of that name; str() is a sentence."""


def _choose_program(args):
    for argv, kind in ((args.code, _Code), (args.module, _Module), (args.script, _Script)):
        if argv is not None and (argv or kind is not _Script):
            break
    if not argv:
        args.parser.error("name a SCRIPT, -m MODULE or -c CODE to run")
    if kind is _Script and argv[0].startswith("-") and argv[0] != "-":
        args.parser.error(f"unknown option {argv[0]}")
    if kind is _Script and (os.path.isdir(argv[0]) or _is_zip(argv[0])):
        kind = _Directory
    return kind(argv)


def _is_zip(path):
    try:
        zipimport.zipimporter(path)
    except zipimport.ZipImportError:
        return False
    return True


class _Program:
    """What is run, and the module __main__ it runs in."""

    def __init__(self, argv):
        self.target, self.args = argv[0], argv[1:]
        self.main = types.ModuleType("__main__")
        self.main.__dict__.update(__builtins__=builtins, __annotations__={})

    def _become_main(self, argv0, path0):
        sys.argv[:] = [argv0, *self.args]
        sys.modules["__main__"] = self.main
        if not sys.flags.safe_path:
            sys.path[0] = path0

    def has_begun(self):
        return True


class _Package(_Program):
    """What `python -m` would run, by the function that does it there: tracebacks show it."""

    def has_begun(self):
        return self.main.__spec__ is not None  # set before the first line runs


class _Code(_Program):
    name = "c"

    def prepare(self):
        self._become_main("-c", "")
        self.main.__dict__.update(__loader__=importlib.machinery.BuiltinImporter, __spec__=None)
        self.code = compile(self.target, "<string>", "exec", dont_inherit=True)
        if sys.version_info >= (3, 13):  # whose tracebacks show the lines of -c
            import linecache

            key = self.code if hasattr(linecache, "_interactive_cache") else "<string>"  # changed in 3.13.1
            linecache._register_code(key, self.target, "<string>")

    def run(self):
        exec(self.code, self.main.__dict__)


class _Module(_Package):
    @property
    def name(self):
        return self.target

    def prepare(self):
        self._become_main("-m", os.getcwd())

    def run(self):
        runpy._run_module_as_main(self.target)


class _Directory(_Package):
    """A directory or zip file with a __main__.py."""

    @property
    def name(self):
        return os.path.basename(os.path.normpath(self.target))

    def prepare(self):
        self._become_main(self.target, os.path.abspath(self.target))

    def run(self):
        runpy._run_module_as_main("__main__", alter_argv=False)


class _Script(_Program):
    @property
    def name(self):
        return os.path.basename(os.path.normpath(self.target))

    def prepare(self):
        path = os.path.abspath(self.target)
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as error:
            raise _CannotRun(f"can't open file {path!r}: {error.strerror}") from None
        self._become_main(self.target, os.path.dirname(os.path.realpath(path)))
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        self.main.__dict__.update(__file__=path, __cached__=None, __loader__=loader, __spec__=None)
        self.code = compile(source, path, "exec", dont_inherit=True)

    def run(self):
        exec(self.code, self.main.__dict__)


def _report(error):
    """Shows an exception as the interpreter would, without our own outermost frames; returns the exit status."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_globals.get("__name__") == __name__:
        traceback = traceback.tb_next
    error.__traceback__ = traceback
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, traceback)
    except SystemExit:
        raise
    except BaseException:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(*sys.exc_info())
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, traceback)
    return 1
