"""Which quanta of a sampled run are traced exact: ``--rubinprof-exact-if``.

A condition is ``task=LABEL`` (the label may be a pattern as of a shell),
``1 in N`` or ``retry``. Several joined by ``and`` have to hold together; of
conditions that are separated by commas, or given one by one, one has to hold.
"""

import contextlib
import fnmatch
import hashlib
import os
import re
from typing import NamedTuple

__all__ = ["ExactQuanta", "Subject", "parse"]

ONE_IN = re.compile(r"1\s*in\s*([1-9][0-9]{0,17})")
TASK = re.compile(r"task\s*=\s*(\S+)")
RETRY = "retry"
TRIED = ".rubinprof-tried"
"""Below the directory of traces: a file for each quantum that was begun and has not ended well."""
ENDED_WELL = ("done", "no_work")


class Subject(NamedTuple):
    """A quantum as conditions see it.

    Parameters
    ----------
    label : `str`
        Label of its task.
    number : `int`
        64 bits of a hash of what it is: the same at each attempt.
    was_tried : `bool`
        Whether it was begun before and did not end well.
    """

    label: str
    number: int
    was_tried: bool


def parse(texts):
    """Read conditions.

    Parameters
    ----------
    texts : `~collections.abc.Iterable` [`str`]
        Conditions, each of which may hold several separated by commas.

    Returns
    -------
    conditions : `tuple` [`str`]
        Each of them, in one spelling.

    Raises
    ------
    ValueError
        Raised when one is none; the text says what there is.
    """
    found = []
    for text in ",".join(texts).split(","):
        terms = [_term(term.strip(), text.strip()) for term in re.split(r"\sand\s", text)]
        found.append(" and ".join(terms))
    return tuple(dict.fromkeys(found))


def _term(term, text):
    if term == RETRY:
        return term
    if one_in := ONE_IN.fullmatch(term):
        return f"1 in {int(one_in[1])}"
    if task := TASK.fullmatch(term):
        return f"task={task[1]}"
    raise ValueError(f"{text!r} is no condition on quanta; write 'task=LABEL', '1 in N' or 'retry'")


def _holds(condition, subject):
    for term in condition.split(" and "):
        if term == RETRY:
            holds = subject.was_tried
        elif one_in := ONE_IN.fullmatch(term):
            # Those of 1 in 100 are among those of 1 in 10.
            holds = subject.number * int(one_in[1]) < 1 << 64
        else:
            holds = fnmatch.fnmatchcase(subject.label, term.partition("=")[2])
        if not holds:
            return False
    return True


class ExactQuanta:
    """Chooses quanta of this process, and notes which were begun where that decides.

    Parameters
    ----------
    directory : `str`
        Directory of the traces, which all jobs of the run see.
    conditions : `tuple` [`str`]
        What `parse` gave; none chooses nothing.
    """

    def __init__(self, directory, conditions):
        self._directory = os.path.join(directory, TRIED)
        self._conditions = conditions
        self._needs_notes = any(RETRY in condition.split(" and ") for condition in conditions)
        self._note = None

    def begin(self, labels):
        """Choose, and note that the quantum has begun.

        Parameters
        ----------
        labels : `dict` [`str`, `str`]
            What `quantum_region.quantum_labels` says of it.

        Returns
        -------
        condition : `str` or `None`
            The first that holds.
        """
        if not self._conditions:
            return None
        digest = hashlib.blake2b(identity(labels).encode(), digest_size=16).digest()
        was_tried = self._begin_note(digest.hex()) if self._needs_notes else False
        subject = Subject(labels["task"], int.from_bytes(digest[:8], "big"), was_tried)
        return next((condition for condition in self._conditions if _holds(condition, subject)), None)

    def by_task(self, label):
        """The first condition that chooses all quanta of a task, or `None`."""
        of_task = [condition for condition in self._conditions if all(TASK.fullmatch(term) for term in condition.split(" and "))]
        return next((condition for condition in of_task if _holds(condition, Subject(label, 0, False))), None)

    def end(self, status):
        """Forget a quantum that has ended well; one that was killed is remembered, too."""
        note, self._note = self._note, None
        if note is not None and status in ENDED_WELL:
            with contextlib.suppress(OSError):
                os.unlink(note)

    def _begin_note(self, name):
        """Make its file; gives whether it was there."""
        self._note = os.path.join(self._directory, name[:2], name)
        os.makedirs(os.path.dirname(self._note), exist_ok=True)
        try:
            os.close(os.open(self._note, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            return True
        return False


def identity(labels):
    """What is the same at each attempt at a quantum, and differs from every other quantum."""
    return labels.get("quantum_id") or "\n".join((labels.get("run", ""), labels["task"], labels["data_id"]))
