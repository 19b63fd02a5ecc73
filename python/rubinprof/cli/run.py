"""rubinprof run: runs a program traced, as the interpreter would have run it.

The program must not notice: sys.argv, sys.path[0], the module __main__, its exit status, tracebacks and signals
are what plain Python gives it.
"""

import argparse
import builtins
import importlib.machinery
import os
import sys
import types

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
    modes = ["exact", "sampled", "off"]
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
        code = program.prepare()
    except Exception as error:  # a syntax error, a missing module: said as Python says it
        return _report(error, skip=2)
    except _CannotRun as reason:
        print(f"rubinprof: {reason}", file=sys.stderr)
        return reason.status
    try:
        tracker.start()
    except (RubinprofError, OSError) as error:
        print(f"rubinprof: {error}", file=sys.stderr)
        return EXIT_BAD_USE
    # The tracer stops at exit, after what the program registers there itself.
    try:
        exec(code, program.main.__dict__)
    except SystemExit:
        raise
    except KeyboardInterrupt as interrupt:
        _report(interrupt, skip=1)
        # Python then dies by SIGINT, once everything is put away. The traceback was shown above.
        sys.excepthook = lambda *ignored: None
        raise
    except BaseException as error:
        sys.exit(_report(error, skip=1))
    return 0


class _CannotRun(BaseException):
    """There is no program of that name; str() is a sentence."""

    def __init__(self, sentence, status):
        super().__init__(sentence)
        self.status = status


def _choose_program(args):
    for argv, kind in ((args.code, _Code), (args.module, _Module), (args.script, _Script)):
        if argv is not None and (argv or kind is not _Script):
            break
    if not argv:
        args.parser.error("name a SCRIPT, -m MODULE or -c CODE to run")
    if kind is _Script and argv[0].startswith("-") and argv[0] != "-":
        args.parser.error(f"unknown option {argv[0]}")
    return kind(argv)


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

    def _run_package(self, name):
        """The code of a module, found as `python -m` finds it."""
        import runpy

        try:
            _, spec, code = runpy._get_module_details(name, runpy._Error)
        except runpy._Error as error:
            raise _CannotRun(error, 1) from None
        self.main.__dict__.update(
            __file__=spec.origin, __cached__=spec.cached, __loader__=spec.loader, __package__=spec.parent, __spec__=spec
        )
        return spec.origin, code


class _Code(_Program):
    name = "c"

    def prepare(self):
        self._become_main("-c", "")
        self.main.__dict__.update(__loader__=importlib.machinery.BuiltinImporter, __spec__=None)
        return compile(self.target, "<string>", "exec", dont_inherit=True)


class _Module(_Program):
    @property
    def name(self):
        return self.target

    def prepare(self):
        self._become_main("-m", os.getcwd())
        origin, code = self._run_package(self.target)
        sys.argv[0] = origin
        return code


class _Script(_Program):
    @property
    def name(self):
        return os.path.basename(os.path.normpath(self.target))

    def prepare(self):
        if os.path.isdir(self.target) or self.target.endswith((".zip", ".pyz")):
            self._become_main(self.target, self.target)
            return self._run_package("__main__")[1]
        try:
            with open(self.target, "rb") as file:
                source = file.read()
        except OSError as error:
            raise _CannotRun(f"can't open file {os.path.abspath(self.target)!r}: {error.strerror}", EXIT_BAD_USE) from None
        path = os.path.abspath(self.target)
        self._become_main(self.target, os.path.dirname(os.path.realpath(path)))
        loader = importlib.machinery.SourceFileLoader("__main__", path)
        self.main.__dict__.update(__file__=path, __cached__=None, __loader__=loader, __spec__=None)
        return compile(source, path, "exec", dont_inherit=True)


def _report(error, skip):
    """Shows an exception as the interpreter would, without our `skip` outermost frames; returns the exit status."""
    traceback = error.__traceback__
    for _ in range(skip):
        traceback = traceback and traceback.tb_next
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
