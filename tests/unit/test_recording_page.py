"""docs/guide/recording.md names every option there is."""

import argparse
import inspect
import re
from pathlib import Path

import pytest

import rubinprof
from rubinprof.cli import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide" / "recording.md").read_text(encoding="utf-8")
OF_PIPETASK = (ROOT / "python" / "rubinprof" / "lsst" / "option.py").read_text(encoding="utf-8")  # importing it needs click


def options_of_run():
    parser = argparse.ArgumentParser()
    run.add_parser(parser.add_subparsers())
    (commands,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [action.option_strings[-1] for action in commands.choices["run"]._actions if action.option_strings]


NAMES = [
    *(name for name in options_of_run() if name not in ("--help", "--force", "--output", "--mode")),  # the last only says how else
    *(f"{name}=" for name in inspect.signature(rubinprof.Tracker).parameters if name != "path" and not name.startswith("max_")),
    *(name for name in inspect.signature(rubinprof.Tracker).parameters if name.startswith("max_")),
    *re.findall(r'^\w+ = "(--rubinprof[\w-]*|RUBINPROF_\w+)"$', OF_PIPETASK, re.M),
    *("`-o OUT`", "`-f`", "rubinprof.sync()", "rubinprof.is_active()"),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names(name):
    assert name in PAGE
