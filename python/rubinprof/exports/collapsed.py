"""Collapsed stacks, one a line: what flamegraph.pl, inferno and speedscope read. Written by the analyzer itself."""

from rubinprof.metrics import METRICS as ALL

SUFFIX = ".collapsed"
SUMMARY = "collapsed stacks for flamegraph.pl, inferno and speedscope, one metric"
METRICS = tuple(ALL)
LACKS = (
    "One metric a file: times in whole nanoseconds, sizes in bytes.",
    "No threads, regions and lines: a frame is its name and, of Python, the def's file and line; ';' in a name becomes ':'.",
    "No place for metadata: what was lost is in 'rubinprof stats'.",
    "No errors of estimates: of a sampled trace, csv and parquet have them.",
)


def write(trace, out, options):
    trace.report(
        "collapsed", "text", metric=options.metric, region=options.region, full_names=True, write=out.write, progress=options.progress,
        **options.stretch,
    )
