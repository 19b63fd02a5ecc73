"""A camera with a few detectors and two tasks whose quanta end as they are told."""

import os
import signal
import time

import rubinprof
from lsst.pex.config import ListField
from lsst.pipe.base import (
    AlgorithmError,
    AnnotatedPartialOutputsError,
    Instrument,
    InvalidQuantumError,
    NoWorkFound,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    RepeatableQuantumError,
    Struct,
)
from lsst.pipe.base.connectionTypes import Input, Output

DETECTORS = range(int(os.environ.get("TINY_DETECTORS", 4)))


class TinyCamera(Instrument):
    @classmethod
    def getName(cls):
        return "Tiny"

    def getRawFormatter(self, dataId):
        raise NotImplementedError

    def register(self, registry, *, update=False):
        name = self.getName()
        registry.syncDimensionData(
            "instrument",
            {
                "name": name,
                "visit_max": 1,
                "exposure_max": 1,
                "detector_max": len(DETECTORS),
                "class_name": f"{type(self).__module__}.{type(self).__qualname__}",
            },
        )
        for detector in DETECTORS:
            registry.syncDimensionData(
                "detector", {"instrument": name, "id": detector, "full_name": f"D{detector}", "purpose": "SCIENCE"}
            )


class BehaveConnections(PipelineTaskConnections, dimensions=("instrument", "detector")):
    number = Output(
        doc="A number.", name="number", storageClass="StructuredDataDict", dimensions=("instrument", "detector")
    )


class BehaveConfig(PipelineTaskConfig, pipelineConnections=BehaveConnections):
    behaviours = ListField(doc="How the quantum of each detector ends.", dtype=str, default=["done"] * len(DETECTORS))


class BehaveTask(PipelineTask):
    """Each quantum ends in the way that the configuration names for its detector."""

    ConfigClass = BehaveConfig
    _DefaultName = "behave"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        detector = butlerQC.quantum.dataId["detector"]
        butlerQC.put(self.run(self.config.behaviours[detector], detector), outputRefs)

    def run(self, behaviour, detector):
        return getattr(self, behaviour)(detector)

    def done(self, detector):
        return Struct(number={"value": detector})

    def nested(self, detector):
        """Start a Tracker of its own, as user code may."""
        if not rubinprof.is_active():  # an untraced run shall leave no file behind
            return self.done(detector)
        with rubinprof.Tracker() as tracker, rubinprof.region("inner", detector=detector):
            return Struct(number={"value": detector, "path": str(tracker.path)})

    def no_work(self, detector):
        raise NoWorkFound("nothing to do here")

    def partial(self, detector):
        error = Understood("half of it")
        raise AnnotatedPartialOutputsError.annotate(error, self, log=self.log) from error

    def failed(self, detector):
        raise ValueError("told to fail")

    def repeatable(self, detector):
        raise RepeatableQuantumError("fails whenever it runs")

    def flaky(self, detector):
        """Fail where the environment says so."""
        return self.failed(detector) if "TINY_FAILS" in os.environ else self.done(detector)

    def invalid(self, detector):
        raise InvalidQuantumError("makes no sense")

    def sleepy(self, detector):
        time.sleep(600)

    def works(self, detector):
        """Take some 0.1 s of CPU time, and some memory."""
        kept = [bytearray(1000 * (1 + i % 64)) for i in range(1000)]
        return Struct(number={"value": sum(i * i for i in range(1_000_000)) + len(kept)})

    def killed_once(self, detector):
        """Die without a word, but not where a former attempt has left its mark."""
        try:
            os.close(os.open(os.path.join(os.environ["TINY_MARKS"], str(detector)), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return self.works(detector)
        os.kill(os.getpid(), signal.SIGKILL)


class Understood(AlgorithmError):
    @property
    def metadata(self):
        return {}


class CollectConnections(PipelineTaskConnections, dimensions=("instrument",)):
    numbers = Input(
        doc="All numbers.",
        name="number",
        storageClass="StructuredDataDict",
        dimensions=("instrument", "detector"),
        multiple=True,
    )
    total = Output(doc="Their sum.", name="total", storageClass="StructuredDataDict", dimensions=("instrument",))


class CollectConfig(PipelineTaskConfig, pipelineConnections=CollectConnections):
    pass


class CollectTask(PipelineTask):
    """Add the numbers."""

    ConfigClass = CollectConfig
    _DefaultName = "collect"

    def run(self, numbers):
        return Struct(total={"value": sum(number["value"] for number in numbers)})
