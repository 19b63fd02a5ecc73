"""Several sums over quanta out of one reading of their columns: `read`.

Reading and joining is most of what a sum over tens of millions of quanta costs, and DuckDB reads once for each grouping. Here its rows come in batches, and each part adds what it needs of them. Parts
hold a number a key and bin, so this is for keys that are few, as tasks are.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow.compute as pc

from rubinprof.campaign.distribution import STEP, ZERO_BIN, Distribution

__all__ = ["Distributions", "Part", "Series", "read"]

BATCH_ROWS = 32 * 1024
BLOCK_BITS = 10
MIDDLE = 1 << 20
"""The bin of 1: those of all doubles fit."""
BLOCKS = 2 * MIDDLE >> BLOCK_BITS


class Part(Protocol):
    """What is summed in a reading.

    Attributes
    ----------
    columns : `dict` [`str`, `str`]
        SQL of what it reads, by name: numbers; unknown is nan.
    """

    columns: dict[str, str]

    def add(self, keys: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Add rows: the number of each one's key, and what `columns` names."""


def read(quanta: duckdb.DuckDBPyRelation, key: str, parts: Sequence[Part]) -> list[Any]:
    """Read quanta once, and add them to each part.

    Parameters
    ----------
    quanta : `duckdb.DuckDBPyRelation`
        The quanta.
    key : `str`
        SQL of what they are grouped by: text, or null.
    parts : `~collections.abc.Sequence` [`Part`]
        What is summed. Columns of one name are the same in all.

    Returns
    -------
    keys : `list` [`str` or `None`]
        What the numbers of the parts stand for.
    """
    columns = {name: sql for part in parts for name, sql in part.columns.items()}
    chosen = ", ".join([f"{key} AS key", *(f"({sql})::DOUBLE AS {name}" for name, sql in columns.items())])
    found: dict[Any, int] = {}
    for batch in quanta.query("q", f"SELECT {chosen} FROM q").to_arrow_reader(BATCH_ROWS):
        words = pc.dictionary_encode(batch.column(0), null_encoding="encode")
        numbers = np.array([found.setdefault(word, len(found)) for word in words.dictionary.to_pylist()], np.int64)
        keys = numbers[words.indices.to_numpy()]
        values = {name: batch.column(place + 1).to_numpy(zero_copy_only=False) for place, name in enumerate(columns)}
        for part in parts:
            part.add(keys, values)
    return list(found)


class Distributions:
    """How a column is distributed for each key, as `rubinprof.campaign.distribution.by_key` has it.

    Parameters
    ----------
    name, sql : `str`
        The column.
    """

    def __init__(self, name: str, sql: str):
        self.columns = {name: sql}
        self._name = name
        # Of two million bins a key has some thousands: they are kept in blocks, those that something lies in. Number 0 is no block.
        self._blocks = np.zeros((0, BLOCKS), np.int64)
        self._counts = np.zeros((1, 1 << BLOCK_BITS), np.int64)
        self._zeros = np.zeros(0, np.int64)

    def add(self, keys: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Add rows."""
        most, figures = int(keys.max(initial=-1)) + 1, values[self._name]
        if most > len(self._zeros):
            self._blocks = np.vstack([self._blocks, np.zeros((most - len(self._zeros), BLOCKS), np.int64)])
            self._zeros = np.append(self._zeros, np.zeros(most - len(self._zeros), np.int64))
        positive = figures > 0
        self._zeros += np.bincount(keys[figures <= 0], minlength=len(self._zeros))
        bins = np.rint(np.log(figures[positive]) / STEP).astype(np.int64) + MIDDLE
        places = keys[positive] * BLOCKS + (bins >> BLOCK_BITS)
        blocks = self._blocks.reshape(-1)
        if len(fresh := np.unique(places[blocks[places] == 0])):
            blocks[fresh] = len(self._counts) + np.arange(len(fresh))
            self._counts = np.vstack([self._counts, np.zeros((len(fresh), 1 << BLOCK_BITS), np.int64)])
        np.add.at(self._counts.reshape(-1), (blocks[places] << BLOCK_BITS) + (bins & (1 << BLOCK_BITS) - 1), 1)

    def of(self, keys: Sequence[Any]) -> dict[Any, Distribution]:
        """What was found of each key that has a known figure."""
        found = {}
        for number, key in enumerate(keys[: len(self._zeros)]):
            present = np.flatnonzero(self._blocks[number])
            counts = self._counts[self._blocks[number, present]]
            bins = (present[:, None] << BLOCK_BITS) + np.arange(1 << BLOCK_BITS) - MIDDLE
            some = counts > 0
            zeros = self._zeros[number : number + 1]
            one = Distribution(np.append(np.full((zeros > 0).sum(), ZERO_BIN), bins[some]), np.append(zeros[zeros > 0], counts[some]))
            if one.n:
                found[key] = one
        return found


class Series:
    """Sums of each key by stretch of time: quanta, walltime, CPU time, quanta that did not end well, the geometric mean of the walltime, the largest memory.

    Parameters
    ----------
    begin, width : `float`
        When the first stretch begins, and how long each is, s since 1970 and s.
    stretches : `int`
        How many there are; what begins later counts for the last.
    """

    columns = {"wall": "wall_s", "cpu": "process_cpu_s", "memory": "memory_bytes", "at": "epoch(start)", "is_not_done": "status NOT IN ('done', 'no_work')"}

    def __init__(self, begin: float, width: float, stretches: int):
        self._begin, self._width, self._stretches = begin, width, stretches
        self._sums = np.zeros((8, 0))
        self._most = np.zeros(0)

    def add(self, keys: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Add rows; those without a begin are left out."""
        known = ~np.isnan(values["at"])
        at, wall, cpu, memory, not_done = (values[name][known] for name in ("at", "wall", "cpu", "memory", "is_not_done"))
        places = keys[known] * self._stretches + np.minimum(self._stretches - 1, np.floor((at - self._begin) / self._width)).astype(np.int64)
        positive = wall > 0
        logs = np.log(wall, where=positive, out=np.zeros(len(wall)))
        size = max(len(self._most), int(places.max(initial=-1)) + 1)
        more = size - len(self._most)
        self._sums = np.hstack([self._sums, np.zeros((8, more))])
        self._most = np.append(self._most, np.full(more, np.nan))
        weights = [None, np.nan_to_num(wall), ~np.isnan(wall), np.nan_to_num(cpu), ~np.isnan(cpu), np.nan_to_num(not_done), logs, positive]
        for row, weight in zip(self._sums, weights, strict=True):
            row += np.bincount(places, weight, size)
        np.fmax.at(self._most, places, memory)

    def of(self, keys: Sequence[Any]) -> dict[Any, list[list[Any]]]:
        """By key: number of the stretch, quanta, wall_s, cpu_s, not done, geometric mean of wall_s, memory_bytes; unknown is None."""
        found: dict[Any, list[list[Any]]] = {}
        for place in np.flatnonzero(self._sums[0]).tolist():
            count, wall, walls, cpu, cpus, not_done, logs, positive = self._sums[:, place].tolist()
            most = float(self._most[place])
            row = [wall if walls else None, cpu if cpus else None, int(not_done), float(np.exp(logs / positive)) if positive else None, None if np.isnan(most) else int(most)]
            found.setdefault(keys[place // self._stretches], []).append([place % self._stretches, int(count), *row])
        return found
