"""A compiled filter: a test of flows that can say what it means, and the ways to join tests."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from midstream.flow import Flow

Test: TypeAlias = Callable[[Flow], bool]


class Term(msgspec.Struct, frozen=True):
    """A test, how to say it, and whether it looks into bodies."""

    test: Test
    text: str
    needs_body: bool = False
    is_joined: bool = False
    """True for terms that need parentheses inside others."""


class Filter:
    """Called with a flow, it says whether the flow matches; `str()` says it for people."""

    __slots__ = ("needs_body", "pattern", "test", "text")

    def __init__(self, pattern: str, term: Term) -> None:
        self.pattern = pattern
        self.test = term.test
        self.text = term.text
        self.needs_body = term.needs_body

    def __call__(self, flow: Flow) -> bool:
        return self.test(flow)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Filter({self.pattern!r})"


def negate(term: Term) -> Term:
    test = term.test
    return Term(lambda flow: not test(flow), f"not {_inner(term)}", term.needs_body)


def join_all(terms: Sequence[Term]) -> Term:
    """Match where every term does."""
    if len(terms) == 1:
        return terms[0]
    tests = tuple(term.test for term in terms)
    if len(tests) == 2:
        first, second = tests
        return _joined(lambda flow: first(flow) and second(flow), " and ", terms)
    return _joined(lambda flow: all(test(flow) for test in tests), " and ", terms)


def join_any(terms: Sequence[Term]) -> Term:
    """Match where at least one term does."""
    if len(terms) == 1:
        return terms[0]
    tests = tuple(term.test for term in terms)
    if len(tests) == 2:
        first, second = tests
        return _joined(lambda flow: first(flow) or second(flow), " or ", terms)
    return _joined(lambda flow: any(test(flow) for test in tests), " or ", terms)


def _joined(test: Test, word: str, terms: Sequence[Term]) -> Term:
    text = word.join(_inner(term) for term in terms)
    return Term(test, text, any(term.needs_body for term in terms), is_joined=True)


def _inner(term: Term) -> str:
    return f"({term.text})" if term.is_joined else term.text
