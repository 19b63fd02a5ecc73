"""A quantum of a trace as a dataset of a butler."""

from typing import Any

import rubinprof
from lsst.daf.butler import FormatterV2

__all__ = ["SUFFIX", "TraceFormatter", "quanta"]

SUFFIX = "_rubinprof"
"""What the dataset type has behind the label of its task."""


class TraceFormatter(FormatterV2):
    """Reads the row of the quantum that the dataset is of: what `rubinprof.Trace.regions` gives of its last attempt there, and the file as ``trace``."""

    default_extension = ".rprof"
    can_read_from_local_file = True

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        ref = self.dataset_ref
        wanted = ref.datasetType.name.removesuffix(SUFFIX), ref.run, {name: str(value) for name, value in ref.dataId.required.items()}
        found = [row for identity, row in quanta(path) if identity == wanted]
        if not found:
            raise FileNotFoundError(f"{path} has no quantum of {ref}")
        return found[-1] | {"trace": path}


def quanta(path: str) -> list[tuple[tuple[str, str | None, dict[str, str]], dict[str, Any]]]:
    """Rows of the quanta of a trace in the order in which they began, each with its task, its run and its data ID."""
    found = []
    for row in rubinprof.open(path).regions():
        labels = row["labels"]
        if "data_id" in labels and "task" in labels:
            pairs = (part.partition("=") for part in labels["data_id"].split(", ") if part)
            found.append(((labels["task"], labels.get("run"), {key: value for key, _, value in pairs}), row))
    return found
