#!/usr/bin/env bash
# The summary file of `pipetask run --summary` has no quantumId for a quantum that failed.
#
# Versions: lsst-ctrl-mpexec, lsst-pipe-base, lsst-daf-butler 30.2026.4300 on CPython 3.12 or newer, Linux x86-64.
# One would guess: every entry of quantaReports has the quantumId of its quantum. The field is there for those that succeed, and failed quanta
#   are the ones that somebody looks up.
# What happens: entries with status "success" have it; for "failure" and "skipped" it is null. Such an entry can be joined with other records by
#   run, task label and data ID only.
# Output seen:
#   success {'detector': 0, 'instrument': 'Small'} has a quantumId
#   failure {'detector': 1, 'instrument': 'Small'} has none
# Fails when that has changed. Needs a CPython 3.12 or newer as $PYTHON (default: python3) and the package index; takes some minutes.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env
env/bin/pip install -q lsst-ctrl-mpexec==30.2026.4300 lsst-pipe-base==30.2026.4300 lsst-daf-butler==30.2026.4300 lsst-sphgeom==30.2026.4000

cat > small.py <<'PY'
from lsst.pipe.base import Instrument, PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Output


class SmallCamera(Instrument):
    @classmethod
    def getName(cls):
        return "Small"

    def getRawFormatter(self, dataId):
        raise NotImplementedError

    def register(self, registry, *, update=False):
        record = {"name": "Small", "visit_max": 1, "exposure_max": 1, "detector_max": 2, "class_name": "small.SmallCamera"}
        registry.syncDimensionData("instrument", record)
        for i in range(2):
            registry.syncDimensionData("detector", {"instrument": "Small", "id": i, "full_name": f"D{i}", "purpose": "SCIENCE"})


class SmallConnections(PipelineTaskConnections, dimensions=("instrument", "detector")):
    number = Output(doc="A number.", name="number", storageClass="StructuredDataDict", dimensions=("instrument", "detector"))


class SmallConfig(PipelineTaskConfig, pipelineConnections=SmallConnections):
    pass


class SmallTask(PipelineTask):
    ConfigClass = SmallConfig
    _DefaultName = "small"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        if butlerQC.quantum.dataId["detector"] == 1:
            raise ValueError("this one fails")
        butlerQC.put(Struct(number={"value": 1}), outputRefs)
PY
cat > small.yaml <<'YAML'
description: One quantum that succeeds and one that fails.
instrument: small.SmallCamera
tasks:
  small: small.SmallTask
YAML
export PYTHONPATH="$work"
env/bin/python - <<'PY'
from lsst.daf.butler import Butler
from small import SmallCamera

Butler.makeRepo("repo")
with Butler.from_config("repo", run="inputs") as butler:
    SmallCamera().register(butler.registry)
PY
env/bin/pipetask run -b repo -i inputs --output-run run --register-dataset-types -p small.yaml -d "instrument='Small'" --summary summary.json >log 2>&1 || true
env/bin/python - <<'PY'
import json

entries = sorted(json.load(open("summary.json"))["quantaReports"], key=lambda entry: entry["dataId"]["detector"])
for entry in entries:
    has = "has a quantumId" if entry.get("quantumId") else "has none"
    print(entry["status"], dict(sorted(entry["dataId"].items())), has)
assert [(entry["status"], bool(entry.get("quantumId"))) for entry in entries] == [("success", True), ("failure", False)], "this has changed"
PY
