"""Sums over quanta out of one reading say what DuckDB's own say."""

import math

import pytest

pytest.importorskip("duckdb")

import duckdb
import pyarrow as pa
from rubinprof.campaign import distribution, reading

WALLS = [1.0, 1.0, 2.5, None, 0.0, 1e-4, 3e5, 7.0]
MEMORIES = [3 << 30, None, 5 << 30, None, 1, 2, 1 << 45, 9]
TASKS = ["isr", "isr", "isr", "isr", None, "coadd", "coadd", None]
STARTS = [0.0, 1.0, 2.0, None, 3.0, 4.0, 5.0, 1e3]
STATUSES = ["done", "failed", "done", None, "no_work", "unfinished", "done", "done"]


@pytest.fixture(scope="module")
def quanta():
    rows = {"task": pa.array(TASKS, pa.string()), "wall_s": WALLS, "process_cpu_s": WALLS, "memory_bytes": pa.array(MEMORIES, pa.int64()), "start": STARTS, "status": pa.array(STATUSES, pa.string())}
    db = duckdb.connect()
    db.from_arrow(pa.table(rows)).create_view("rows")
    return db.sql("SELECT * REPLACE (to_timestamp(start) AS start) FROM rows, range(1000)")


@pytest.mark.parametrize("column", ["wall_s", "memory_bytes"])
def test_distributions_of_one_reading_are_those_of_a_grouping(quanta, column):
    mine = reading.Distributions("figure", column)
    mine = mine.of(reading.read(quanta, "task", [mine]))
    theirs = distribution.by_key(quanta, "task", column)
    assert mine.keys() == theirs.keys()
    for task in theirs:
        assert mine[task].bins.tolist() == theirs[task].bins.tolist()
        assert mine[task].counts.tolist() == theirs[task].counts.tolist()


def test_sums_by_time_keep_unknown_apart_from_zero(quanta):
    series = reading.Series(0.0, 2.0, 3)
    found = series.of(reading.read(quanta, "task", [series]))
    assert found["isr"] == [[0, 2000, 2000.0, 2000.0, 1000, 1.0, 3 << 30], [1, 1000, 2500.0, 2500.0, 0, pytest.approx(2.5), 5 << 30]]
    assert found["coadd"] == [[2, 2000, pytest.approx(3e8), pytest.approx(3e8), 1000, pytest.approx(math.sqrt(30)), 1 << 45]]
    assert found[None] == [[1, 1000, 0.0, 0.0, 0, None, 1], [2, 1000, 7000.0, 7000.0, 0, pytest.approx(7.0), 9]]
