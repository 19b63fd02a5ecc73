"""Which function of its name a line belongs to: rows of lines tell the function's name and file, not where it begins."""

from typing import Any

__all__ = ["add_def_lines"]


def add_def_lines(lines: list[dict[str, Any]], functions: list[dict[str, Any]]) -> None:
    """Give rows of the table by line the key ``def_line``: the last ``def`` of that name in the file that is not below the line.

    Parameters
    ----------
    lines, functions : `list` [`dict`]
        The tables by line and by function of one trace.
    """
    begins: dict[tuple[str, str], list[int]] = {}
    for row in functions:
        begins.setdefault((row["function"], row["file"]), []).append(row["line"])
    for row in lines:
        known = begins.get((row["function"], row["file"]), [])
        row["def_line"] = max((line for line in known if line <= row["line"]), default=row["line"])
