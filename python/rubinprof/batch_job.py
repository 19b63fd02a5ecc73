"""Which job of a batch system this process belongs to."""

import os

__all__ = ["batch_job"]

NAMED_BY_USER = "RUBINPROF_JOB"
CONDOR_AD = "_CONDOR_JOB_AD"
AD_BYTES_MAX = 1 << 20


def batch_job():
    """Name the job, as in ``slurm:4711``, ``htcondor:812.0`` or ``panda:6012345``.

    The environment variable ``RUBINPROF_JOB`` names it whatever the system.

    Returns
    -------
    job : `str`
        The job; empty where nothing tells of one.
    """
    told = os.environ.get(NAMED_BY_USER)
    if told:
        return told
    if panda := os.environ.get("PANDAID") or os.environ.get("PandaID"):
        return f"panda:{panda}"
    if condor := _condor_id(os.environ.get(CONDOR_AD)):
        return f"htcondor:{condor}"
    if slurm := os.environ.get("SLURM_JOB_ID"):
        array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
        return f"slurm:{array}_{task}" if array and task else f"slurm:{slurm}"
    return ""


def _condor_id(path):
    """HTCondor tells a job its number in a file only: lines such as ``ClusterId = 812``."""
    found = {}
    try:
        with open(path or "", encoding="utf-8", errors="replace") as ad:
            for line in ad.read(AD_BYTES_MAX).splitlines():
                key, _, value = line.partition(" = ")
                found.setdefault(key.lower(), value.strip())
    except OSError:
        return ""
    cluster, process = found.get("clusterid", ""), found.get("procid", "")
    return f"{cluster}.{process}" if cluster.isdigit() and process.isdigit() else ""
