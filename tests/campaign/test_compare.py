"""Campaigns against campaigns, over nights, against budgets: known answers."""

import datetime
import json
import math
import random

import numpy as np
import pytest

from rubinprof import campaign
from rubinprof.campaign import budgets, difference, history

pytestmark = pytest.mark.linux

GIB = 1024**3


def quanta(task, n, wall, seed, memory=2.0, failed=0, at=0, spread=0.2):
    chance = random.Random(seed)
    start = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=at)
    for i in range(n):
        one = wall * math.exp(spread * chance.gauss(0, 1))
        yield {"trace": f"{random.Random(f'{task} {seed} {i}').getrandbits(128):032x}", "task": task, "wall_s": one, "process_cpu_s": one / 2, "start": start,
               "rss_max_bytes": int(memory * GIB * math.exp(0.02 * chance.gauss(0, 1))), "status": "failed" if i < failed else "done"}  # fmt: skip


@pytest.fixture
def pair(make_store):
    a = make_store([*quanta("isr", 400, 10.0, 1), *quanta("warp", 400, 50.0, 2), *quanta("old", 30, 1.0, 3)], name="a")
    b = make_store([*quanta("isr", 400, 12.0, 4, failed=40), *quanta("warp", 400, 50.0, 5, memory=3.0), *quanta("new", 30, 1.0, 6)], name="b")
    return a, b


def test_a_difference_has_the_change_of_each_task_and_its_interval(pair):
    found = difference.difference(*map(campaign.open, pair))
    rows = {row["task"]: row for row in found["tasks"]}
    assert {task: row["state"] for task, row in rows.items()} == {"isr": "both", "warp": "both", "old": "gone", "new": "new"}
    low, high = rows["isr"]["wall"]["interval"]
    assert low < 0.2 < high and high - low < 0.15 and rows["isr"]["wall"]["certain"]
    assert rows["warp"]["memory"]["change"] == pytest.approx(0.5, abs=0.02) and not rows["warp"]["wall"]["certain"]
    assert rows["isr"]["not_done"]["change"] == pytest.approx(0.1) and rows["isr"]["not_done"]["certain"]
    assert rows["new"]["wall"]["change"] is None and rows["new"]["wall"]["b"] == pytest.approx(1.0, rel=0.2)


def test_the_interval_of_a_change_holds_it_as_often_as_it_says():
    held = 0
    for seed in range(200):
        sides = []
        for wall, side in ((10.0, 0), (11.0, 1)):
            bins = np.round(np.log([row["wall_s"] for row in quanta("isr", 80, wall, 2 * seed + side)]) * 1000).astype(int)
            sides.append(difference.Distribution(*np.unique(bins, return_counts=True)))
        low, high = difference.change_of(*sides)["interval"]
        held += low <= 0.1 <= high
    assert 0.92 <= held / 200 <= 0.99


def test_limits_are_broken_by_more_than_chance_only(ask, pair):
    a, b = pair
    done = ask("diff", a, b, "--fail-on", "wall of isr > +5 %", "--fail-on", "memory > +10 %", "--fail-on", "wall of warp > +0 %", "-o", b.parent / "d.html")
    assert done.returncode == 1 and done.stdout.count("FAIL") == 2, done.stdout + done.stderr
    assert "(isr: wall 10" in done.stdout and "(warp: memory 2.0" in done.stdout and "only in B: new" in done.stdout
    assert (b.parent / "d.html").stat().st_size < 200_000
    assert ask("diff", a, b, "--fail-on", "wall of isr > +30 %").returncode == 0
    assert json.loads(ask("diff", a, b, "--json").stdout)["schema"] == 1


@pytest.mark.parametrize("limit", ["wall", "wall > 5", "beauty > +5 %", "wall of nothing > +5 %", "wall of new > +5 %", "wall >> +5 %"])
def test_limits_that_mean_nothing_are_refused(ask, pair, limit):
    done = ask("diff", *pair, "--fail-on", limit)
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, done.stderr


def series(logs, error=0.01):
    return history.Series("isr", "wall", [str(i) for i in range(len(logs))], np.array(logs), np.full(len(logs), error), [100] * len(logs))


def test_a_change_point_is_found_with_its_size():
    """The interval holds the size nearly as often as it says: the place is chosen where the change looks largest."""
    chance, placed, held = np.random.default_rng(1), 0, 0
    for i in range(100):
        step = 0.1 if i % 2 else -0.2
        found = history.changes(series(np.concatenate([np.zeros(12), np.full(10, step)]) + 0.02 * chance.standard_normal(22)))
        placed += [change.at for change in found] == ["12"]
        held += any(change.low < math.expm1(step) < change.high for change in found)
    assert placed >= 90 and held >= 85


def test_what_is_only_noise_has_no_change_point():
    chance = np.random.default_rng(2)
    found = [history.changes(series(0.05 * chance.standard_normal(20))) for _ in range(100)]
    assert sum(map(bool, found)) <= 8


def test_a_median_of_few_quanta_is_no_change():
    logs = np.zeros(12)
    logs[0] = -0.1
    one = series(logs)
    one.errors[0] = 0.1
    assert history.changes(one) == []


def test_several_stores_and_days_are_series(ask, make_store):
    days = make_store([row for day in range(10) for row in quanta("isr", 60, 10.0 if day < 6 else 13.0, day, at=day)], name="days")
    done = ask("history", days, "--json")
    found = json.loads(done.stdout)
    (change,) = [change for change in found["changes"] if change["figure"] == "wall"]
    assert change["at"] == "2026-11-07" and change["low"] < 0.3 < change["high"]
    assert [len(one["points"]) for one in found["series"]] == [10, 10, 10]
    assert "2026-11-07" in ask("history", days).stdout


def test_check_tells_what_grew_at_the_last_store(ask, make_store, tmp_path):
    nights = [make_store([*quanta("isr", 100, 10.0, night), *quanta("warp", 100, 20.0, 100 + night)], name=f"n{night}") for night in range(4)]
    nights.append(make_store([*quanta("isr", 100, 10.0, 50), *quanta("warp", 100, 30.0, 51)], name="last"))
    limits = tmp_path / "budgets.toml"
    limits.write_text('change = "10 %"\n[task.isr]\nwall = "1 h"\n')
    done = ask("check", *nights, limits)
    assert done.returncode == 1 and done.stdout.count("BROKEN") == 2, done.stdout + done.stderr  # wall and cpu of warp
    assert "BROKEN  warp: wall 20." in done.stdout and "at last" in done.stdout
    assert ask("check", *nights[:-1], limits).returncode == 0
    assert ask("check", nights[-1], limits).returncode == 0
    assert budgets.read(limits)["change"] == pytest.approx(0.1)


@pytest.mark.parametrize("change", ['"much"', "-1", '"-5 %"', "[]"])
def test_an_allowed_change_is_a_share(tmp_path, change):
    (tmp_path / "budgets.toml").write_text(f'change = {change}\n[task.isr]\nwall = "1 h"\n')
    with pytest.raises(ValueError):
        budgets.read(tmp_path / "budgets.toml")


def test_a_store_that_is_none_is_one_sentence(ask, pair, tmp_path):
    a, _ = pair
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "store.json").write_text('{"format": "rubinprof-campaign", "version": 99}')
    campaign.Store.create(tmp_path / "empty")
    (tmp_path / "spool").mkdir()
    for words in (["diff", a, newer], ["diff", tmp_path / "nothing", a], ["history", newer], ["report", newer, "-o", tmp_path / "x.html"], ["report", tmp_path / "empty"],
                  ["report", a, "--over", "much", "-o", tmp_path / "x.html"], ["add", tmp_path / "made", tmp_path / "spool"]):  # fmt: skip
        done = ask(*words)
        assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, (words, done.stderr)
    assert not (tmp_path / "x.html").exists() and not (tmp_path / "made").exists()
