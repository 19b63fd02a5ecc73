"""`rubinprof run` reads plain words without argparse; what comes out is what argparse makes of them."""

import pytest

from rubinprof.cli import run
from rubinprof.cli.parser import make_parser

PLAIN = [
    "x.py",
    "x.py -o a --cpu off",
    "-o a x.py",
    "--output a -f x.py b c",
    "--cpu sampled --memory sampled --no-native --pymalloc x.py -- -z",
    "--no-follow-fork --follow-children --sources -q --no-command -m package.module -c 1",
    "-f -c code -m words",
    "--memory off --quiet --force x.py --cpu=off",
    "-m x -h",
]
# Left to argparse, which reads them or says what is wrong.
OTHER = ["", "-o", "-o a", "--cpu", "--cpu all x.py", "--cpu=off x.py", "-oa x.py", "-fq x.py", "--sample-hz 9 x.py", "--sample 9 x.py"]
OTHER += ["-m", "-c", "-", "-h", "--help", "-z x.py", "-o -f x.py", "-- x.py", "--forc x.py"]


@pytest.mark.parametrize("line", PLAIN)
def test_plain_words_are_read_as_argparse_reads_them(line):
    args = vars(make_parser(["run"]).parse_args(["run", *line.split()]))
    del args["parser"], args["command"], args["version"]
    ours = vars(run.plain_words(line.split()))
    assert {name: value or None for name, value in ours.items()} == {name: value or None for name, value in args.items()}


@pytest.mark.parametrize("line", OTHER)
def test_other_words_are_left_to_argparse(line):
    assert run.plain_words(line.split()) is None


@pytest.mark.parametrize(("word", "known"), [("sampled", "sampled"), ("exact", "exact"), ("fast", "sampled")])
def test_who_asks_for_a_mode_of_both_learns_how(word, known, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser(["run"]).parse_args(["run", "--mode", word, "x.py"])
    assert ended.value.code == 2 and f"--cpu {known} --memory {known}" in capsys.readouterr().err
