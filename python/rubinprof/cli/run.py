"""rubinprof run: runs a program traced, as the interpreter would have run it.

The program must not notice: sys.argv, sys.path[0], the module __main__, its exit status, tracebacks and signals
are what plain Python gives it. So it is run by what the interpreter itself uses (csrc/frames/program.c), with none of our frames
below it, and the process ends there.
"""

import atexit
import builtins
import os
import sys
import zipimport

from rubinprof.cli import COMMANDS, as_help
from rubinprof.errors import RubinprofError
from rubinprof.tracker import SAMPLE_HZ_MAX, Tracker, size_of

EXIT_BAD_USE = 2

EXAMPLE = """example:
  rubinprof run -o isr.rprof script.py --its-own arguments
  rubinprof run -m package.module arguments
  rubinprof run -c 'import this'
"""


def _rate(text):
    rate = int(text)
    if not 1 <= rate <= SAMPLE_HZ_MAX:
        import argparse

        raise argparse.ArgumentTypeError(f"must be from 1 to {SAMPLE_HZ_MAX}; without CPU time it is --cpu off")
    return rate


def _size(text):
    try:
        return size_of(text, "it")
    except ValueError as error:
        import argparse

        raise argparse.ArgumentTypeError(str(error)) from error


_MODES = ["exact", "sampled", "off"]
# As argparse's `add_argument` takes them; the last of the words names the attribute.
OPTIONS = [
    (["-o", "--output"], {"metavar": "OUT", "help": "the trace file, which must not exist, or a directory (DIR/ is made)"}),
    (["-f", "--force"], {"action": "store_true", "help": "replace the trace file when it exists"}),
    (["--cpu"], {"choices": _MODES, "default": "exact", "help": "every Python call, or estimates from samples (default: exact)"}),
    (["--memory"], {"choices": _MODES, "default": "exact", "help": "every allocation, or estimates from samples (default: exact)"}),
    (["--no-native"], {"action": "store_true", "help": "do not record the C and C++ functions below Python"}),
    (["--pymalloc"], {"action": "store_true", "help": "trace CPython's small-object allocator too"}),
    (["--no-follow-fork"], {"action": "store_true", "help": "do not trace forked children, nor those of multiprocessing"}),
    (
        ["--follow-children"],
        {"action": "store_true", "help": "trace the Pythons among the programs that it starts (subprocess, shells, joblib), too"},
    ),
    (
        ["--tasks"],
        {"action": "store_true", "help": "show asyncio tasks below those that await them: sampled, CPython 3.14 and newer"},
    ),
    (["--sources"], {"action": "store_true", "help": "store the text of the source files that run, for reports made elsewhere"}),
    (["-q", "--quiet"], {"action": "store_true", "help": "do not say at the end, on a terminal, where the trace is"}),
    (["--no-command"], {"action": "store_true", "help": "do not store the command line in the trace"}),
    (
        ["--sample-hz"],
        {"type": _rate, "metavar": "N", "help": "samples per CPU second and thread (default: 250; 40 when sampled)"},
    ),
    (
        ["--bytes"],
        {"type": _size, "metavar": "SIZE", "help": "about how large a sampled trace may become, as 16k: samples become rarer as it grows (default: any)"},
    ),
    (["--symbols"], {"metavar": "DIR", "help": "a symbol bundle: its names are left out of a sampled trace (default: the first of RUBINPROF_SYMBOLS)"}),
]


def add_parser(subparsers):
    import argparse

    parser = subparsers.add_parser(
        "run",
        help=as_help(COMMANDS["run"]),
        description="Run a program traced. Its arguments, exit status, streams and signals are its own; the trace is "
        "rubinprof-<program>-<host>-<pid>-<start>.rprof in the working directory unless -o names another.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="rubinprof run [options] (SCRIPT | -m MODULE | -c CODE) [ARGS ...]",
    )
    for words, settings in OPTIONS:
        parser.add_argument(*words, **settings)
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("-c", dest="code", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--mode", type=_no_mode, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument("script", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(parser=parser)


def _no_mode(word):
    """CPU and memory have one each: who asks for one of both learns how."""
    import argparse

    known = word if word in ("exact", "sampled", "off") else "sampled"
    raise argparse.ArgumentTypeError(f"CPU and memory have a mode each: --cpu {known} --memory {known}")


class _Args:
    """What `add_parser`'s parser makes of the words."""


def plain_words(words):
    """The arguments as argparse would have them, without the 7 ms of importing it; None where the words are not of the plainest kind."""
    options = {word: (names[-1][2:].replace("-", "_"), settings) for names, settings in OPTIONS for word in names}
    args = _Args()
    args.code = args.module = args.script = None
    for name, settings in options.values():
        setattr(args, name, settings.get("default", False if "action" in settings else None))
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in ("-m", "-c") and rest:
            setattr(args, "module" if word == "-m" else "code", rest)
            return args
        if word not in options:
            return None
        name, settings = options[word]
        if "action" in settings:
            setattr(args, name, True)
        elif rest and not rest[0].startswith("-") and rest[0] in settings.get("choices", rest[:1]) and "type" not in settings:
            setattr(args, name, rest.pop(0))
        else:
            return None
    args.script = rest
    return args if rest else None


def run(args):
    program = _choose_program(args)
    tracker = Tracker(
        args.output,
        **tracker_options(args),
        program=program.name,
        overwrite=args.force,
        store_command=not args.no_command,
    )
    if reason := program.reason_not_to_run():
        print(f"rubinprof: {reason}", file=sys.stderr)
        return EXIT_BAD_USE
    program.become_main()
    if not args.quiet and (terminal := _terminal()) is not None:
        import select
        import shlex

        atexit.register(_say_where, tracker, os.getpid(), os.getcwd(), terminal, select.select, shlex.quote)
    if program.kind == "module":  # before the tracer registers its end, so after it
        atexit.register(_remove_trace_of_nothing, tracker, os.getpid())
    try:
        tracker.start()
    except (RubinprofError, OSError) as error:
        print(f"rubinprof: {error}", file=sys.stderr)
        return EXIT_BAD_USE
    # The tracer stops at exit, after what the program registers there itself. Nothing here may hold on to __main__.
    from rubinprof import _capture

    _capture.run_program(program.kind, program.target)


def tracker_options(args):
    """What of `OPTIONS` says how to record, as a `Tracker` takes it."""
    return {
        "native": not args.no_native,
        "cpu": args.cpu,
        "memory": args.memory,
        "pymalloc": args.pymalloc,
        "follow_fork": not args.no_follow_fork,
        "follow_children": args.follow_children,
        "tasks": args.tasks,
        "sources": args.sources,
        "sample_hz": args.sample_hz,
        "sampled_bytes": args.bytes,
        "symbols": args.symbols,
    }


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


def _remove_trace_of_nothing(tracker, pid):
    """There was no module of that name: __main__ is as it was made."""
    if os.getpid() == pid and not sys.modules["__main__"].__dict__.keys() - _new_main().__dict__.keys():
        os.unlink(tracker.path)


def _say_where(tracker, pid, directory, terminal, select, quote):
    """On the terminal of the start, for a shell in this directory, where that waits for us and takes it at once."""
    try:
        if os.getpid() != pid or _terminal() != terminal or not os.path.exists(tracker.path or ""):
            return
        if os.tcgetpgrp(2) != os.getpgrp() or not select([], [2], [], 0)[1]:
            return  # in the background a write may stop us, and one to a held terminal hang
        os.write(2, what_next(tracker.path, directory, quote).encode())
    except Exception:  # the program may have replaced any of these functions
        pass


def what_next(path, directory, quote):
    """Where the trace is, in the words of a shell in this directory, and what to type next; "" where the path cannot be shown."""
    short = os.path.relpath(path, directory)
    path = quote(path if short.startswith("..") else short)
    if not path.isprintable():
        return ""
    return f"rubinprof: the trace is {path}\n  on one screen: rubinprof stats {path}\n  as a page:     rubinprof report {path}\n"


def _terminal():
    """Which terminal standard error is, None when it is none."""
    return os.fstat(2).st_rdev if os.isatty(2) else None


def _new_main():
    main = type(sys)("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={}, __loader__=sys.__loader__)  # importlib's BuiltinImporter
    return main


class _Program:
    """What is run: of a `kind` that _capture.run_program knows, and a `target`."""

    def __init__(self, argv):
        self.target, self.args = argv[0], argv[1:]
        self.name = os.path.basename(os.path.normpath(self.target))

    argv0 = property(lambda self: self.target)
    words = property(lambda self: [self.target])  # as they would follow `python`

    def reason_not_to_run(self):
        return None

    def become_main(self):
        """Makes the process look as if plain Python had been asked for the program."""
        launcher = len(sys.orig_argv) - len(sys.argv) + 1  # the interpreter, its options, and what it ran: us
        launcher -= 2 if sys.orig_argv[launcher - 2] == "-m" else 1
        sys.orig_argv[:] = [*sys.orig_argv[:launcher], *self.words, *self.args]
        sys.argv[:] = [self.argv0, *self.args]
        sys.modules["__main__"] = _new_main()
        if not sys.flags.safe_path:
            sys.path[0] = self.path0()


class _Code(_Program):
    kind = "code"
    argv0 = "-c"
    words = property(lambda self: ["-c", self.target])

    def __init__(self, argv):
        super().__init__(argv)
        self.name = "c"

    def path0(self):
        return ""


class _Module(_Program):
    kind = "module"
    argv0 = "-m"
    words = property(lambda self: ["-m", self.target])

    def __init__(self, argv):
        super().__init__(argv)
        self.name = self.target

    def path0(self):
        return os.getcwd()


class _Directory(_Program):
    """A directory or zip file with a __main__.py."""

    kind = "directory"

    def become_main(self):
        super().become_main()
        # Such a program's path comes first even where that of scripts is not wanted.
        if sys.flags.safe_path:
            sys.path.insert(0, self.path0())
        self.target = "__main__"  # in there

    def path0(self):
        return os.path.abspath(sys.argv[0])


class _Script(_Program):
    kind = "file"

    def __init__(self, argv):
        super().__init__(argv)
        if self.target == "-":
            self.name = "stdin"

    def reason_not_to_run(self):
        if self.target == "-":
            return None
        try:
            open(self.target, "rb").close()
        except OSError as error:
            return f"can't open file {os.path.abspath(self.target)!r}: {error.strerror}"

    def become_main(self):
        super().become_main()
        if self.target != "-":
            self.target = os.path.abspath(self.target)

    def path0(self):
        return "" if self.target == "-" else os.path.dirname(os.path.realpath(self.target))
