"""Says that a run is traced elsewhere, but not by this ``pipetask``.

In BPS a task's own ``extraRunQuantumOptions`` replaces the one of the whole
run, and with it ``--rubinprof``: such a task leaves no trace. The directory
of traces therefore holds a marker, and a ``pipetask`` that is not traced
looks for one beside its quantum graph, where the whole run has its files.
"""

import itertools
import os

import click

__all__ = ["leave_marker", "notice"]

MARKER = ".rubinprof-pipetask"
MARKER_TEXT = "Traces of pipetask --rubinprof lie here. A pipetask of the same run that is not traced says so when it finds this file.\n"
ENTRIES_MAX = 1000
"""Of the graph's directory, how many are looked at: a submit directory has a dozen."""


def leave_marker(directory):
    """Mark a directory of traces; where that fails there is no notice, which harms nobody."""
    try:
        with open(os.path.join(directory, MARKER), "x") as marker:
            marker.write(MARKER_TEXT)
    except OSError:
        pass


def notice(params, variable, more_variables):
    """Write one line to stderr where tracing was asked for elsewhere in the run; else, and when anything goes wrong, nothing.

    Parameters
    ----------
    params : `~collections.abc.Mapping`
        Arguments of the command; that of the graph is ``qgraph``.
    variable : `str`
        Environment variable that asks for tracing. Set to nothing it means that none is wanted, nor this line.
    more_variables : `list` [`str`]
        Variables that say how to trace, and mean nothing without the first.
    """
    try:
        if variable in os.environ:
            return
        lonely = [name for name in more_variables if os.environ.get(name)]
        if lonely:
            say(f"{lonely[0]} is set, but nothing is traced: neither --rubinprof nor {variable} has reached this pipetask.")
        elif directory := marked_directory(params.get("qgraph")):
            say(f"this run is traced (into {directory}), but not this pipetask: neither --rubinprof nor {variable} has reached it.")
    except Exception:
        pass


def say(sentence):
    """Write a sentence to stderr."""
    click.echo(f"rubinprof: {sentence}", err=True)


def marked_directory(graph):
    """Return a directory of traces beside a quantum graph, or `None`.

    Parameters
    ----------
    graph : `str` or `None`
        Path of the graph; those of other schemes than ``file`` are not looked at.
    """
    path = str(graph or "").removeprefix("file://")
    if not path or "://" in path:
        return None
    with os.scandir(os.path.dirname(os.path.abspath(path))) as entries:
        for entry in itertools.islice(entries, ENTRIES_MAX):
            if entry.is_dir() and os.path.exists(os.path.join(entry.path, MARKER)):
                return entry.path
    return None
