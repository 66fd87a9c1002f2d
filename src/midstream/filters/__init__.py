"""The filter language: text in, a test of flows out."""

from midstream.filters.atoms import HELP
from midstream.filters.filter import Filter
from midstream.filters.parser import FilterError, parse
from midstream.flow import Flow

__all__ = ["HELP", "Filter", "FilterError", "match", "match_all", "parse"]

match_all = parse("~all")
"""Matches every flow."""


def match(flt: Filter | str | None, flow: Flow) -> bool:
    """Tell whether a filter, given compiled or as text, matches; None matches every flow."""
    if flt is None:
        return True
    return (parse(flt) if isinstance(flt, str) else flt)(flow)
