"""rubinprof top: a running trace, live."""

import os
import shutil
import sys
import time

from rubinprof.cli import trace_command as command
from rubinprof.reports.terminal import is_terminal

KEYS = {
    "c": "cpu",
    "w": "wall",
    "g": "gil_wait",
    "n": "calls",
    "a": "allocated",
    "p": "peak",
    "h": "leaked",
    "t": "temporary",
}
HELP = "q quit  c cpu  w wall  g gil  n calls  a alloc  h held  p peak  t temp  f l rows"
HEAD_LINES = 5
ONCE_ROWS = 20


def add_parser(subparsers):
    parser = command.parser(
        subparsers,
        "top",
        "rubinprof top 12345\n\nkeys: q quit; by c cpu, w wall, g GIL wait, n calls, a allocated, h held now, p peak, t temporary; f functions, l lines",
        run,
    )
    parser.add_argument("target", metavar="PID|FILE", help="a process that is being traced, or the trace file it writes")
    command.add_metric(parser)
    parser.add_argument("--by", choices=["function", "line"], default="function", help="what a row is (default: function)")
    parser.add_argument("--once", action="store_true", help="print once and end (as always when the output is no terminal)")
    parser.add_argument("-n", type=command.whole_number, default=ONCE_ROWS, metavar="N", help="rows of --once (default: %(default)s)")


@command.plain_errors
def run(args):
    from rubinprof.reports import live

    path = args.target
    if path.isdigit() and not os.path.exists(path):
        path = live.trace_of_process(int(path))
    if args.once or not is_terminal(sys.stdout):
        from rubinprof.reports.style import Style

        seen = live.Watch(path).try_look(args.by, args.metric, max(args.n, live.ROWS))
        sys.stdout.write(live.render(seen, None, Style(sys.stdout), metric=args.metric, by=args.by, rows=args.n))
        return 0
    try:
        import termios  # noqa: F401
    except ImportError:
        return command.fail("the live screen needs a Unix terminal; --once prints one look")
    return _Screen(path, args.metric, args.by).run()


class _Screen:
    """The live screen: looks, draws, and listens to keys in between."""

    def __init__(self, path, metric, by):
        self.path, self.metric, self.by = path, metric, by
        self.watch = None
        self.now = self.before = None

    def run(self):
        import termios
        import tty

        from rubinprof.reports import live

        self.watch = live.Watch(self.path)
        self.now = self.watch.try_look(self.by, self.metric)
        keyboard = sys.stdin.fileno() if is_terminal(sys.stdin) else None
        saved = termios.tcgetattr(keyboard) if keyboard is not None else None
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
        try:
            if keyboard is not None:
                tty.setcbreak(keyboard)
            self._watch(keyboard)
        except KeyboardInterrupt:
            pass
        finally:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()
            if saved is not None:
                termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)
        return 0

    def _watch(self, keyboard):
        from rubinprof.errors import TraceError
        from rubinprof.reports import live

        due = time.monotonic() + live.pause_after(self.now)
        while True:
            self._draw(live)
            key = _key(keyboard, max(0.0, due - time.monotonic()))
            if key == "q":
                return
            if key in KEYS:
                self.metric = KEYS[key]
                self.now = self.watch.try_look(self.by, self.metric)
            elif key in ("f", "l"):
                self.by = "line" if key == "l" else "function"
                self.now, self.before = self.watch.try_look(self.by, self.metric), None
            if time.monotonic() < due:
                continue
            if not self.now.stats["complete"]:
                try:
                    self.before, self.now = self.now, self.watch.look(self.by, self.metric)
                except TraceError:  # read in the middle of a write: the next look sees it whole
                    pass
            due = time.monotonic() + live.pause_after(self.now)

    def _draw(self, live):
        from rubinprof.reports.style import Style, cut

        style = Style(sys.stdout)
        height = shutil.get_terminal_size().lines
        note = f"read in {self.now.took_s:.2f} s"
        body = live.render(
            self.now, self.before, style, metric=self.metric, by=self.by, rows=height - HEAD_LINES - 1, note=note
        ).splitlines()
        lines = [*body[: height - 1], *[""] * (height - 1 - len(body)), style.paint(cut(HELP, style.width, style.is_ascii), "dim")]
        sys.stdout.write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")
        sys.stdout.flush()


def _key(keyboard, seconds):
    """The key pressed within so many seconds, or None."""
    import select

    if keyboard is None:
        time.sleep(seconds)
        return None
    ready, _, _ = select.select([keyboard], [], [], seconds)
    return os.read(keyboard, 1).decode("ascii", "replace") if ready else None
