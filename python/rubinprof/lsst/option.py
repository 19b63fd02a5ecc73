"""The option ``--rubinprof DIR`` of ``pipetask run`` and ``run-qbb``, and those that say how: ``--rubinprof-mode`` and so on."""

import importlib
import importlib.metadata
import inspect
import os
import tempfile

import click

from . import asked_elsewhere

__all__ = ["add_options"]

ENVIRONMENT_VARIABLE = "RUBINPROF_PIPETASK"
FLAG = "--rubinprof"
HELP = (
    "Directory to write traces to: every quantum is traced by rubinprof, in one file a process. "
    f"The environment variable {ENVIRONMENT_VARIABLE} does the same."
)
MODE_VARIABLE = "RUBINPROF_PIPETASK_MODE"
MODE_FLAG = "--rubinprof-mode"
MODES = ["exact", "sampled"]
MODE_HELP = (
    "What --rubinprof records: exact, every Python call and every allocation; sampled, estimates with their errors, "
    f"cheap enough for production (default: exact). The environment variable {MODE_VARIABLE} does the same."
)
SOURCES_VARIABLE = "RUBINPROF_PIPETASK_SOURCES"
SOURCES_FLAG = "--rubinprof-sources"
SOURCES_HELP = (
    "Store the text of the source files that run in the traces, for reports made where the stack is not. "
    f"The environment variable {SOURCES_VARIABLE} does the same."
)
BYTES_VARIABLE = "RUBINPROF_PIPETASK_BYTES"
BYTES_FLAG = "--rubinprof-bytes"
BYTES = "16k"
BYTES_HELP = (
    f"About how large the sampled trace of a quantum may become; samples become rarer as it grows. 0: any size (default: {BYTES}). "
    f"The environment variable {BYTES_VARIABLE} does the same."
)
EXACT_IF_VARIABLE = "RUBINPROF_PIPETASK_EXACT_IF"
EXACT_IF_FLAG = "--rubinprof-exact-if"
EXACT_IF_HELP = (
    "Trace a quantum of a sampled run exact: 'task=LABEL' (a pattern as of a shell), '1 in N' (by a hash of its id, the same at each attempt), "
    "'retry' (it was begun before and did not end well); 'task=isr and 1 in 100'. Give it several times, or separate conditions by commas: one has to hold. "
    f"The environment variable {EXACT_IF_VARIABLE} does the same."
)
SCRIPT_MODULES = {
    "run": "lsst.ctrl.mpexec.cli.script.run",
    "run_qbb": "lsst.ctrl.mpexec.cli.script.run_qbb",
}
"""Where the functions behind the commands are, which make the executor."""


def add_options(commands):
    """Give ``pipetask run`` and ``pipetask run-qbb`` the option.

    Parameters
    ----------
    commands : `types.ModuleType`
        Module ``lsst.ctrl.mpexec.cli.cmd``, whose attributes are the click
        commands. They are extended in place; doing so twice is harmless.
    """
    for name, module_name in SCRIPT_MODULES.items():
        command = getattr(commands, name)
        if not any(FLAG in param.opts for param in command.params):
            command.params.append(make_option(name, importlib.import_module(module_name)))
            command.params += [make_mode_option(), make_sources_option(), make_bytes_option(), make_exact_if_option()]


def make_option(name, module):
    """Make the option for one command.

    Parameters
    ----------
    name : `str`
        Name of the function behind the command.
    module : `types.ModuleType`
        Module of that function.

    Returns
    -------
    option : `click.Option`
        Option that hands a tracing task factory to the function. The function
        takes one as ``task_factory`` since release 29.2025.39; before, it
        called the class ``TaskFactory`` of its module.
    """
    if "task_factory" in inspect.signature(getattr(module, name)).parameters:
        return click.Option([FLAG, "task_factory"], **common_settings(lambda factory: factory))
    if hasattr(module, "TaskFactory"):
        return click.Option([FLAG], **common_settings(lambda factory: replace(module, factory)), expose_value=False)
    return click.Option([FLAG], **common_settings(refuse), expose_value=False)


def make_mode_option():
    """Make the option for how to record."""
    return make_early(MODE_FLAG, MODE_VARIABLE, MODE_HELP, type=click.Choice(MODES), default=MODES[0])


def make_sources_option():
    """Make the option for source text."""
    return make_early(SOURCES_FLAG, SOURCES_VARIABLE, SOURCES_HELP, is_flag=True)


def make_bytes_option():
    """Make the option for how large a sampled trace may become."""
    return make_early(BYTES_FLAG, BYTES_VARIABLE, BYTES_HELP, type=Size(), default=BYTES, metavar="SIZE")


def make_exact_if_option():
    """Make the option for quanta that are traced exact."""
    return make_early(EXACT_IF_FLAG, EXACT_IF_VARIABLE, EXACT_IF_HELP, type=Conditions(), multiple=True, metavar="CONDITION")


def make_early(flag, variable, text, **settings):
    """Make an option that is read before ``--rubinprof`` and kept for `TraceDirectory`."""

    def keep(ctx, _param, value):
        ctx.meta[flag] = value

    return click.Option([flag], envvar=variable, help=text, is_eager=True, expose_value=False, callback=keep, **settings)


def common_settings(use):
    """Return the settings that all forms of the option share.

    Parameters
    ----------
    use : `~collections.abc.Callable`
        What is done with the task factory.
    """

    def callback(ctx, _param, factory):
        if factory is not None:
            return use(factory)
        # What is given on the command line, as the graph is, was read before an option that is not.
        asked_elsewhere.notice(ctx.params, ENVIRONMENT_VARIABLE, [MODE_VARIABLE, SOURCES_VARIABLE, BYTES_VARIABLE, EXACT_IF_VARIABLE])
        return None

    return {"type": TraceDirectory(), "envvar": ENVIRONMENT_VARIABLE, "metavar": "DIR", "help": HELP, "callback": callback}


def replace(module, factory):
    """Let the function of an older release make our factory as its own."""
    module.TaskFactory = lambda: factory


def refuse(_factory):
    """Say that this release has no place for a task factory."""
    version = importlib.metadata.version("lsst-ctrl-mpexec")
    raise UsageSentence(f"{FLAG} does not know how to trace lsst-ctrl-mpexec {version}; 28 to 30 are supported.")


class Size(click.ParamType):
    """Bytes, as 16k or 1M."""

    name = "size"

    def convert(self, value, param, ctx):
        """Give bytes, or one sentence."""
        from rubinprof.tracker import size_of

        try:
            return size_of(value, BYTES_FLAG)
        except ValueError as error:
            raise UsageSentence(f"{error}.") from error


class Conditions(click.ParamType):
    """Conditions on quanta, as ``task=isr,retry``."""

    name = "condition"
    envvar_list_splitter = ","

    def convert(self, value, param, ctx):
        """Give the conditions, or one sentence."""
        from .exact_quanta import parse

        try:
            return parse([value]) if isinstance(value, str) else value
        except ValueError as error:
            raise UsageSentence(f"{EXACT_IF_FLAG}: {error}.") from error


class TraceDirectory(click.ParamType):
    """A directory on the command line that becomes a tracing task factory."""

    name = "directory"

    def convert(self, value, param, ctx):
        """Check now what would later, in a worker, only cost a trace and a warning."""
        if not isinstance(value, str):
            return value
        must_be_able_to_trace()
        mode = ctx.meta.get(MODE_FLAG, MODES[0])
        exact_if = [condition for conditions in ctx.meta.get(EXACT_IF_FLAG) or () for condition in conditions]
        if exact_if and mode != "sampled":
            raise UsageSentence(f"{EXACT_IF_FLAG} chooses quanta of a sampled run; add {MODE_FLAG} sampled.")
        make_writable(value)
        asked_elsewhere.leave_marker(value)
        from .task_factory import TracingTaskFactory

        size = ctx.meta.get(BYTES_FLAG) if mode == "sampled" else None
        return TracingTaskFactory(value, cpu=mode, memory=mode, sources=ctx.meta.get(SOURCES_FLAG, False), sampled_bytes=size, exact_if=exact_if)


def must_be_able_to_trace():
    """Refuse to go on where the capture half of rubinprof is absent."""
    try:
        importlib.import_module("rubinprof._capture")
    except ImportError as error:
        raise UsageSentence(f"{FLAG} cannot trace here: {error}.") from error


def make_writable(directory):
    """Make a directory if need be and prove that files can be made in it."""
    try:
        os.makedirs(directory, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UsageSentence(f"{FLAG} cannot write to '{directory}': {error.strerror}.") from error


class UsageSentence(click.ClickException):
    """Bad use, told in one sentence."""

    exit_code = 2
