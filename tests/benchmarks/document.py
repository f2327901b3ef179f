"""A table that a benchmark keeps up to date in a document, between two marks."""

from __future__ import annotations

from pathlib import Path


def replace_table(document: Path, begin: str, end: str, table: str) -> None:
    """Put the table in the place of the one between the marks.

    :raises IndexError: the document lacks a mark.
    """
    text = document.read_text()
    head, tail = text.split(begin)[0], text.split(end)[1]
    document.write_text(f"{head}{begin}\n{table}\n{end}{tail}")
