"""Two runs, or two sets of runs, against one another."""

from rubinprof.compare.difference import compare_runs, diff
from rubinprof.compare.side import read_runs
from rubinprof.compare.tree import diff_flame

__all__ = ["compare_runs", "diff", "diff_flame", "read_runs"]
