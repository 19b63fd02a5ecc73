"""Five quanta of two tasks. With the word "killed" the process is killed in the fifth."""

import os
import signal
import sys

import rubinprof

visit = sys.argv[1]
for detector in range(5):
    task = "isr" if detector < 3 else "calibrateImage"
    labels = {"task": task, "quantum_id": f"{visit}-{detector}", "run": "u/someone/run", "data_id": f"detector={detector}, visit={visit}"}
    labels |= {"detector": detector, "visit": visit, "band": "ri"[detector % 2]}  # as rubinprof.lsst has it
    with rubinprof.region(task, **labels) as quantum:
        with rubinprof.region("background"):
            block = bytes((detector + 1) << 20)
        sum(range(10_000))
        if visit == "killed" and detector == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        quantum.label(status="failed" if detector == 3 and visit == "1" else "done")
    del block
