"""``%load_ext rubinprof``, then ``%%rubinprof`` above a cell: it runs traced, and its flame graph stands below it."""

import html
import json
import os
import tempfile
import weakref

from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from rubinprof.errors import RubinprofError
from rubinprof.metrics import METRICS, text_of
from rubinprof.tracker import Tracker, is_active

__all__ = ["CellResult", "RubinprofMagics", "load_ipython_extension"]

HEIGHT_PX = 560
TABLE_ROWS = 10


class CellResult:
    """What a traced cell came to. In a notebook it shows itself.

    Attributes
    ----------
    path : `str`
        The trace file. A temporary one is removed with this object.
    trace : `Trace`
        The trace, opened: ``.table()``, ``.lines()``, ``.to_pandas()``.
    """

    def __init__(self, path, *, is_temporary=False, metric="cpu", height=HEIGHT_PX, as_table=False):
        from rubinprof.trace import open as open_trace

        self.path = path
        self.trace = open_trace(path)
        self._metric, self._height, self._as_table = metric, height, as_table
        if is_temporary:
            weakref.finalize(self, _remove, path)

    def __repr__(self):
        metric = METRICS[self._metric]
        lines = [self._summary()]
        for row in self._rows():
            lines.append(f"{text_of(row[metric.own], metric.unit):>12}  {row['function']}  {_place(row)}")
        return "\n".join(lines)

    def _repr_html_(self):
        head = f"<div><b>rubinprof</b>: {html.escape(self._summary())}</div>"
        if self._as_table:
            return head + self._table()
        from rubinprof.reports import flamegraph

        flame = json.dumps(_cell_first(self.trace._json("flame", full_names=True))).encode()
        stats = {**self.trace.stats(), "command": "notebook cell"}
        page = flamegraph.render(flame, stats=stats, rows=self.trace.table(metric=self._metric, n=20), metric=self._metric)
        # The page brings its own policy: no network, no script but its own.
        return (
            f'{head}<iframe srcdoc="{html.escape(page, quote=True)}" sandbox="allow-scripts allow-downloads" title="rubinprof" '
            f'style="width:100%;height:{self._height}px;border:1px solid #8886;border-radius:4px"></iframe>'
        )

    def _table(self):
        columns = [("calls", "calls"), ("cpu", "self CPU"), ("allocated", "allocated"), ("peak", "at peak"), ("leaked", "leaked")]
        head = "".join(f"<th>{title}</th>" for _, title in columns)
        body = ""
        for row in self._rows():
            cells = "".join(f"<td>{text_of(row[METRICS[name].own] or 0, METRICS[name].unit)}</td>" for name, _ in columns)
            body += f"<tr>{cells}<td style='text-align:left'>{html.escape(row['function'])} <small>{html.escape(_place(row))}</small></td></tr>"
        return f"<table><thead><tr>{head}<th style='text-align:left'>function</th></tr></thead><tbody>{body}</tbody></table>"

    def _rows(self):
        metric = METRICS[self._metric]
        return [row for row in self.trace.table(metric=self._metric, n=TABLE_ROWS) if row[metric.own]]

    def _summary(self):
        stats = self.trace.stats()
        parts = [
            f"wall {text_of(stats['wall_s'], 's')}",
            f"CPU {text_of(stats['cpu_s'] or 0, 's')}",
            f"peak {text_of(stats['peak_bytes'], 'bytes')}",
            f"allocated {text_of(stats['allocated_bytes'], 'bytes')}",
            f"kept {text_of(stats['leaked_bytes'], 'bytes')}",
        ]
        if stats["lost_events"]:
            parts.append(f"{stats['lost_events']:,} events lost")
        return ", ".join(parts)


def _cell_first(flame):
    """Hang what the cell called at the root, before the kernel's own thirty frames that called the cell."""
    strings, frames, nodes = flame["strings"], flame["frames"], flame["nodes"]
    runs_cells = {
        i
        for i, (name, module) in enumerate(zip(frames["name"], frames["module"], strict=True))
        if strings[name] == "InteractiveShell.run_code" and strings[module].startswith("IPython.")
    }
    parent = nodes["parent"]
    runner = next((i for i, frame in enumerate(nodes["frame"]) if frame in runs_cells), None)
    if runner is None:
        return flame
    end = runner + 1
    while end < len(parent) and parent[end] >= runner:  # pre-order: its subtree lies behind it
        end += 1
    order = [0, *range(runner + 1, end), *range(1, runner + 1), *range(end, len(parent))]
    place = {old: new for new, old in enumerate(order)}
    moved = [-1 if old == 0 else 0 if parent[old] == runner else place[parent[old]] for old in order]
    columns = {name: values and [values[old] for old in order] for name, values in nodes.items()}
    return {**flame, "nodes": columns | {"parent": moved}}


def _place(row):
    return f"{row['file']}:{row['line']}" if row["file"] else row["module"]


def _remove(path):
    if os.path.exists(path):
        os.unlink(path)


@magics_class
class RubinprofMagics(Magics):
    """The magic ``%%rubinprof``."""

    @magic_arguments()
    @argument("-o", "--output", metavar="FILE", help="keep the trace there (default: a temporary file)")
    @argument("-m", "--metric", choices=list(METRICS), default="cpu", help="what is shown first")
    @argument("--table", action="store_true", help="show a table instead of the flame graph")
    @argument("--height", type=int, default=HEIGHT_PX, metavar="PX", help="of the flame graph")
    @argument("--no-native", action="store_true", help="do not record the C and C++ functions below Python")
    @argument("--no-memory", action="store_true", help="do not record allocations")
    @argument("--name", metavar="NAME", help="variable that gets the result")
    @argument("statement", nargs="*", help="of %%rubinprof: what to run")
    @line_cell_magic
    def rubinprof(self, line, cell=None):
        """Run a cell (%%rubinprof) or a statement (%rubinprof) traced, and show where its time and memory went."""
        if is_active():
            print("rubinprof: this kernel is being traced already; the cell was not run")
            return None
        options, statement = _split(line) if cell is None else (line, None)
        args = parse_argstring(self.rubinprof, options)
        code = cell if cell is not None else statement
        path, is_temporary = args.output, not args.output
        if is_temporary:
            handle, path = tempfile.mkstemp(prefix="rubinprof-cell-", suffix=".rprof")
            os.close(handle)
        tracker = Tracker(
            path,
            native=not args.no_native,
            memory="off" if args.no_memory else "exact",
            overwrite=True,
            program="cell",
            store_command=False,
        )
        try:
            tracker.start()
        except RubinprofError as error:
            print(f"rubinprof: {error}")
            return None
        try:
            self.shell.run_cell(code, store_history=False)
        finally:
            tracker.stop()
        result = CellResult(path, is_temporary=is_temporary, metric=args.metric, height=args.height, as_table=args.table)
        if args.name:
            self.shell.user_ns[args.name] = result
        return result


def _split(line):
    """Options of a line magic, and the statement behind them: what begins with the first word that is no option."""
    words = line.split()
    takes_value = {"-o", "--output", "-m", "--metric", "--height", "--name"}
    i = 0
    while i < len(words) and words[i].startswith("-"):
        i += 2 if words[i] in takes_value else 1
    return " ".join(words[:i]), line.split(None, i)[i] if i < len(words) else ""


def load_ipython_extension(shell):
    """What ``%load_ext rubinprof`` calls."""
    shell.register_magics(RubinprofMagics)
