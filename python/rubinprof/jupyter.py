"""``%load_ext rubinprof``, then ``%%rubinprof`` above a cell: it runs traced, and its flame graph stands below it."""

import ast
import asyncio
import html
import inspect
import json
import os
import re
import tempfile
import weakref

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from rubinprof.errors import RubinprofError
from rubinprof.metrics import METRICS, text_of
from rubinprof.reports.pool_hint import pool_hint
from rubinprof.tracker import Tracker, is_active

__all__ = ["CellResult", "RubinprofMagics", "load_ipython_extension"]

HEIGHT_PX = 560
TABLE_ROWS = 10
# Below which of IPython's functions a traced cell lies, best first: a cell that awaits is no magic any more. (Frames of ours are in no trace.)
RUNNERS = [("InteractiveShell.run_cell_magic", "InteractiveShell.run_line_magic"), ("InteractiveShell.run_code",)]
WORD = re.compile(r"""\s*(?:"[^"]*"|'[^']*'|[^\s"'])+""")
OPTION = re.compile(r"""\s*(?P<word>-(?:"[^"]*"|'[^']*'|[^\s"'])*)""")


class CellResult:
    """What a traced cell came to. In a notebook it shows itself.

    Attributes
    ----------
    path : `str`
        The trace file. A temporary one is removed with this object.
    trace : `Trace`
        The trace, opened: ``.table()``, ``.lines()``, ``.to_pandas()``.
    """

    def __init__(self, path, *, is_temporary=False, metric="cpu", height=HEIGHT_PX, as_table=False, cell_file=""):
        from rubinprof.trace import open as open_trace

        self.path = path
        self.trace = open_trace(path)
        self._metric, self._height, self._as_table = metric, height, as_table
        self._cell_file = cell_file
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

        flame = json.dumps(_cell_first(self.trace._json("flame", full_names=True), self._cell_file)).encode()
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
            f"CPU {text_of(stats['cpu_s'], 's')}",
            f"peak {text_of(stats['peak_bytes'], 'bytes')}{pool_hint(stats)}",
            f"allocated {text_of(stats['allocated_bytes'], 'bytes')}",
            f"leaked {text_of(stats['leaked_bytes'], 'bytes')}",
        ]
        if stats["lost_events"]:
            parts.append(f"{stats['lost_events']:,} events lost")
        return ", ".join(parts)


def _cell_first(flame, cell_file=""):
    """Hang the cell's own ``<module>`` at the root, before the kernel's thirty frames that called it; where it is not known, what the kernel called."""
    strings, frames, nodes = flame["strings"], flame["frames"], flame["nodes"]
    parent = nodes["parent"]
    own = {i for i, (name, file) in enumerate(zip(frames["name"], frames["file"], strict=True)) if cell_file and strings[file] == cell_file and strings[name] == "<module>"}
    cell = next((i for i, frame in enumerate(nodes["frame"]) if frame in own), None)
    if cell is not None:
        return _moved_first(flame, cell, cell)
    for names in RUNNERS:
        runs_cells = {
            i
            for i, (name, module) in enumerate(zip(frames["name"], frames["module"], strict=True))
            if strings[name] in names and strings[module].startswith("IPython.")
        }
        runner = next((i for i, frame in enumerate(nodes["frame"]) if frame in runs_cells), None)
        if runner is not None:
            break
    return flame if runner is None else _moved_first(flame, runner, runner + 1)


def _moved_first(flame, top, first):
    """The tree with what lies below a node at its root; ``first`` is the node itself when it goes with it, else the next."""
    nodes = flame["nodes"]
    parent = nodes["parent"]
    end = top + 1
    while end < len(parent) and parent[end] >= top:  # pre-order: its subtree lies behind it
        end += 1
    order = [0, *range(first, end), *range(1, first), *range(end, len(parent))]
    place = {old: new for new, old in enumerate(order)}
    is_top = (lambda old: old == top) if first == top else (lambda old: parent[old] == top)
    moved = [-1 if old == 0 else 0 if is_top(old) else place[parent[old]] for old in order]
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
    @argument("statement", nargs="*", help="of %rubinprof: what to run")
    @no_var_expand
    @line_cell_magic
    def rubinprof(self, line, cell=None):
        """Run a cell (%%rubinprof) or a statement (%rubinprof) traced, and show where its time and memory went."""
        args, text = self._parse(line, cell)
        codes = self._compile(text)
        if any(map(_is_coroutine, codes)):
            return self._run_coroutine(args, codes, is_cell=cell is not None)
        names = self.shell.user_global_ns, self.shell.user_ns
        with self.shell.display_trap, _Traced(args, self.shell, codes) as traced:
            _execute(codes, *names)
        return traced.result

    async def rubinprof_async(self, line, cell):
        """The same for a cell that awaits; `_AwaitingCells` calls it."""
        args, text = self._parse(line, cell)
        return await self._run_async(args, self._compile(text))

    async def _run_async(self, args, codes):
        names = self.shell.user_global_ns, self.shell.user_ns
        with _Traced(args, self.shell, codes) as traced:
            await _execute_async(codes, *names)
        return traced.result

    def _run_coroutine(self, args, codes, *, is_cell):
        """A cell that awaits and comes by other ways than its own, below another magic perhaps."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self.shell.loop_runner(self._run_async(args, codes))
        where = "%%rubinprof must stand in the first line of the cell" if is_cell else "use %%rubinprof in the first line of a cell"
        raise UsageError(f"rubinprof: a statement that awaits cannot be run from here; {where}")

    def _parse(self, line, cell):
        """Options, with names expanded and quotes taken off, and what is to run."""
        options, statement = _split(line) if cell is None else (line, cell)
        args = parse_argstring(self.rubinprof, self.shell.var_expand(options))
        if args.statement:
            raise UsageError(f"rubinprof: {' '.join(args.statement)!r} is no option; what runs stands below %%rubinprof")
        for name in ("output", "name"):
            setattr(args, name, _unquoted(getattr(args, name)))
        return args, statement

    def _compile(self, text):
        """Code objects of a cell: all but the last expression, and that one, which shows its value; as the shell itself does."""
        shell = self.shell
        transformed = shell.transform_cell(text)
        name = shell.compile.cache(transformed, shell.execution_count, raw_code=text)
        tree = shell.transform_ast(shell.compile.ast_parse(transformed, filename=name))
        shows_last = bool(tree.body) and isinstance(tree.body[-1], ast.Expr) and shell.ast_node_interactivity != "none"
        first = tree.body[:-1] if shows_last else tree.body
        with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0):
            codes = [shell.compile(ast.Module(first, []), name, "exec")] if first else []
            if shows_last:
                codes.append(shell.compile(ast.Interactive(tree.body[-1:]), name, "single"))
        return codes


class _Traced:
    """Traces what is inside ``with``. Where that fails the result is shown first, and the error goes on to the shell, which stops the notebook."""

    def __init__(self, args, shell, codes):
        if is_active():
            raise UsageError("rubinprof: this kernel is being traced already; the cell was not run")
        self.result = None
        self._args, self._shell = args, shell
        self._cell_file = codes[0].co_filename if codes else ""

    def __enter__(self):
        args = self._args
        self._path = args.output or _temporary_file()
        memory = "off" if args.no_memory else "exact"
        self._tracker = Tracker(self._path, native=not args.no_native, memory=memory, overwrite=True, program="cell", store_command=False)
        try:
            self._tracker.start()
        except (RubinprofError, OSError) as error:
            if not args.output:
                _remove(self._path)
            raise UsageError(f"rubinprof: {error}") from None
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self._tracker.stop()
        args = self._args
        self.result = CellResult(
            self._path, is_temporary=not args.output, metric=args.metric, height=args.height, as_table=args.table, cell_file=self._cell_file
        )
        if args.name:
            self._shell.user_ns[args.name] = self.result
        if exc_type:
            display(self.result)


def _temporary_file():
    handle, path = tempfile.mkstemp(prefix="rubinprof-cell-", suffix=".rprof")
    os.close(handle)
    return path


def _execute(codes, global_ns, local_ns):
    __tracebackhide__ = "__ipython_bottom__"  # tracebacks begin below, with the cell
    for code in codes:
        exec(code, global_ns, local_ns)


async def _execute_async(codes, global_ns, local_ns):
    __tracebackhide__ = "__ipython_bottom__"
    for code in codes:
        if _is_coroutine(code):
            await eval(code, global_ns, local_ns)
        else:
            exec(code, global_ns, local_ns)


def _is_coroutine(code):
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _split(line):
    """Options of a line magic, and the statement behind them: what begins with the first word that is no option."""
    takes_value = {"-o", "--output", "-m", "--metric", "--height", "--name"}
    end = 0
    while option := OPTION.match(line, end):
        end = option.end()
        if option["word"] in takes_value and (value := WORD.match(line, end)):
            end = value.end()
    return line[:end].strip(), line[end:].lstrip()


def _unquoted(word):
    return word[1:-1] if word and len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


class _AwaitingCells:
    """Makes of a ``%%rubinprof`` cell that awaits a line that awaits, so that the shell runs it in its own loop: a magic cannot."""

    def __init__(self, shell):
        self.shell = shell

    def __call__(self, lines):
        if not lines or lines[0].split(None, 1)[:1] != ["%%rubinprof"]:
            return lines
        line, cell = lines[0].removeprefix("%%rubinprof").strip(), "".join(lines[1:])
        if not self.shell.should_run_async(cell, transformed_cell=self.shell.transform_cell(cell)):
            return lines
        return [f"await get_ipython().magics_manager.registry['RubinprofMagics'].rubinprof_async({line!r}, {cell!r})\n"]


def load_ipython_extension(shell):
    """What ``%load_ext rubinprof`` calls."""
    shell.register_magics(RubinprofMagics)
    unload_ipython_extension(shell)
    shell.input_transformer_manager.line_transforms.insert(0, _AwaitingCells(shell))


def unload_ipython_extension(shell):
    """What ``%unload_ext rubinprof`` calls."""
    transforms = shell.input_transformer_manager.line_transforms
    transforms[:] = [one for one in transforms if not isinstance(one, _AwaitingCells)]
