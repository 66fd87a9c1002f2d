"""Status codes and their usual reason phrases."""

from http import HTTPStatus

RESPONSES: dict[int, str] = {
    **{int(status): status.phrase for status in HTTPStatus},
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Content",
    444: "No Response",
    499: "Client Closed Request",
}
"""Reason phrase by code: the registered ones, and 444 and 499 which servers log."""


def reason(status: int) -> str:
    """Give the usual phrase of a code, empty for an unknown one."""
    return RESPONSES.get(status, "")
