"""Run the tiny pipeline through an executor in Python: executors.py NAME REPO TRACES

NAME is "simple" (marked, inside a Tracker, beside one that is not marked), "separable" (its factory traces) or "inside" (its factory marks).
"""

import sys
from pathlib import Path

import rubinprof
import rubinprof.lsst
from lsst.pipe.base import simple_pipeline_executor
from lsst.pipe.base.separable_pipeline_executor import SeparablePipelineExecutor
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

PIPELINE = str(Path(__file__).with_name("tiny.yaml"))
WHERE = "instrument='Tiny' AND detector < 2"


def butler(repo, output):
    return SimplePipelineExecutor.prep_butler(repo, inputs=["inputs"], output=output)


def simple(repo, traces):
    before = dict(vars(simple_pipeline_executor))
    marked, plain = (SimplePipelineExecutor.from_pipeline_filename(PIPELINE, where=WHERE, butler=butler(repo, name)) for name in ("marked", "plain"))
    assert rubinprof.lsst.trace_simple_executor(rubinprof.lsst.trace_simple_executor(marked)) is marked
    with rubinprof.Tracker(traces / "simple.rprof"):
        assert len(marked.run(register_dataset_types=True)) == 3
        plain.run()
    assert vars(simple_pipeline_executor) == before


def separable(repo, traces, factory):
    executor = SeparablePipelineExecutor(butler(repo, traces.name), task_factory=factory)
    make = getattr(executor, "build_quantum_graph", executor.make_quantum_graph)  # older releases have the second alone
    graph = make(executor.make_pipeline(PIPELINE), where=WHERE)
    executor.pre_execute_qgraph(graph, register_dataset_types=True)
    executor.run_pipeline(graph)


def main(name, repo, traces):
    traces.mkdir()
    if name == "simple":
        simple(repo, traces)
    elif name == "separable":
        separable(repo, traces, rubinprof.lsst.TracingTaskFactory(traces))
    else:
        with rubinprof.Tracker(traces / "inside.rprof"):
            separable(repo, traces, rubinprof.lsst.RegionTaskFactory())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
