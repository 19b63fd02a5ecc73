"""Stages: lists of tasks with a name, from TOML or from the subsets of a pipeline's YAML."""

import os
import tomllib

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read which stage each task belongs to.

    Parameters
    ----------
    path : `str` or `os.PathLike`
        TOML with lists of tasks by stage, or a pipeline's YAML with ``subsets``.

    Returns
    -------
    stages : `dict` [`str`, `str`]
        Stage by task, in the order of the file; a task in several belongs to the first.

    Raises
    ------
    ValueError
        Raised when it is no such file; the text says why.
    """
    lists = _of_pipeline(path) if os.fspath(path).endswith((".yaml", ".yml")) else _of_toml(path)
    stages: dict[str, str] = {}
    for stage, tasks in lists.items():
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise ValueError(f"{path}: stage {stage!r} is no list of tasks; write {stage} = [\"isr\", …]")
        for task in tasks:
            stages.setdefault(task, str(stage))
    if not stages:
        raise ValueError(f"{path} has no stage; write one as step1 = [\"isr\", \"calibrateImage\"]")
    return stages


def _of_toml(path):
    with open(path, "rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no TOML: {error}") from None


def _of_pipeline(path):
    try:
        import yaml  # here: the middleware brings it
    except ImportError:
        raise ValueError(f"{path} is YAML, and PyYAML is not installed; write the stages as TOML") from None
    with open(path) as file:
        try:
            subsets = (yaml.safe_load(file) or {}).get("subsets") or {}
            return {name: list(about["subset"]) for name, about in subsets.items()}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError, UnicodeDecodeError):
            raise ValueError(f"{path} is no pipeline with subsets") from None
