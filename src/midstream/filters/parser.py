r"""Text to `Filter`.

The grammar, loosest first:

    filter  = any { any }                    all of them have to match
    any     = all { "|" all }
    all     = not { "&" not }
    not     = { "!" } term
    term    = "(" filter ")" | "~" atom [ argument ] | regex
    regex   = "…" | '…' | a run of anything but blanks ( ) ~ ' "

A run without quotes takes operators in, so `~u a|b` looks for `a` or `b` in the URL; only at its very end, directly
before `~` or `(`, an operator counts as one (`~m GET&~c 200`). Within quotes a backslash makes the quote or another
backslash literal and else stays what it is, so `"\d+"` needs no doubling.
"""

import os
import re
from typing import NoReturn

from midstream.errors import UsageError
from midstream.filters.atoms import ATOMS, Atom
from midstream.filters.filter import Filter, Term, join_all, join_any, negate

_BLANKS = re.compile(r"\s*")
_NAME = re.compile(r"~([A-Za-z]*)")
_RUN = re.compile(r"""[^\s()~'"]+""")
_RANGE = re.compile(r"""(?:[<>=]+\s*)?[^\s()~'"&|!]+""")
_QUOTED = re.compile(r"""(["'])((?:(?!\1)[^\\]|\\.)*)\1""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\])""")
_DEPTH = 50


class FilterError(UsageError, ValueError):
    """A filter cannot be read; the message shows where."""


def parse(text: str, *, case_sensitive: bool | None = None) -> Filter:
    """Compile a filter; case matters only if `case_sensitive` or MIDSTREAM_CASE_SENSITIVE_FILTERS=1 say so.

    Raises `UsageError` with the place of the mistake.
    """
    if case_sensitive is None:
        case_sensitive = os.environ.get("MIDSTREAM_CASE_SENSITIVE_FILTERS", "") not in ("", "0")
    parser = _Parser(text, 0 if case_sensitive else re.IGNORECASE)
    return Filter(text, parser.whole())


class _Parser:
    """A place in the text, and one method per rule of the grammar."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags
        self._at = 0
        self._depth = 0

    def whole(self) -> Term:
        self._skip_blanks()
        if self._at == len(self._text):
            self._fail("a filter cannot be empty; ~all matches every flow", 0)
        term = self._filter()
        if self._at < len(self._text):
            self._fail("this parenthesis was never opened", self._at)
        return term

    def _filter(self) -> Term:
        terms = [self._any()]
        while self._next() not in ("", ")"):
            terms.append(self._any())
        return join_all(terms)

    def _any(self) -> Term:
        terms = [self._all()]
        while self._takes("|"):
            terms.append(self._all())
        return join_any(terms)

    def _all(self) -> Term:
        terms = [self._not()]
        while self._takes("&"):
            terms.append(self._not())
        return join_all(terms)

    def _not(self) -> Term:
        count = 0
        while self._takes("!"):
            count += 1
        term = self._term()
        return negate(term) if count % 2 else term

    def _term(self) -> Term:
        match self._next():
            case "(":
                return self._group()
            case "~":
                return self._atom()
            case "" | ")" | "&" | "|":
                self._fail("expected an atom such as ~u, a regex or an opening parenthesis here", self._at)
        return self._build(ATOMS["u"], self._at, self._regex())

    def _group(self) -> Term:
        opened = self._at
        self._at += 1
        self._depth += 1
        if self._depth > _DEPTH:
            self._fail(f"parentheses are nested more than {_DEPTH} deep", opened)
        term = self._filter()
        if not self._takes(")"):
            self._fail("this parenthesis is never closed", opened)
        self._depth -= 1
        return term

    def _atom(self) -> Term:
        start = self._at
        match = _NAME.match(self._text, start)
        name = match[1] if match else ""
        atom = ATOMS.get(name)
        if atom is None:
            self._fail(f"there is no atom ~{name}", start)
        self._at += len(name) + 1
        if not atom.takes:
            return atom.build("", self._flags)
        self._skip_blanks()
        at = self._at
        return self._build(atom, at, self._regex() if atom.takes == "regex" else self._range(atom))

    def _build(self, atom: Atom, at: int, argument: str) -> Term:
        try:
            return atom.build(argument, self._flags)
        except re.error as error:
            inside = 0 if error.pos is None or self._text[at] in "\"'" else error.pos
            self._fail(f"{argument!r} is not a regular expression: {error.msg}", at + inside)
        except (OverflowError, RecursionError) as error:
            self._fail(f"{argument!r} is not a usable regular expression: {error}", at)
        except ValueError as error:
            self._fail(str(error), at)

    def _regex(self) -> str:
        quoted = self._quoted()
        if quoted is not None:
            return quoted
        match = _RUN.match(self._text, self._at)
        if match is None:
            self._fail("expected a regular expression here", self._at)
        run = match[0]
        if len(run) > 1 and run[-1] in "&|" and self._text[match.end() : match.end() + 1] in ("~", "("):
            run = run[:-1]
        self._at += len(run)
        return run

    def _range(self, atom: Atom) -> str:
        quoted = self._quoted()
        if quoted is not None:
            return quoted
        match = _RANGE.match(self._text, self._at)
        if match is None:
            self._fail(f"expected what ~{atom.name} takes: a {atom.takes}", self._at)
        self._at = match.end()
        return match[0]

    def _quoted(self) -> str | None:
        if self._text[self._at : self._at + 1] not in ('"', "'"):
            return None
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            self._fail("this quote is never closed", self._at)
        self._at = match.end()
        return _ESCAPE.sub(r"\1", match[2])

    def _takes(self, operator: str) -> bool:
        if self._next() != operator:
            return False
        self._at += 1
        return True

    def _next(self) -> str:
        self._skip_blanks()
        return self._text[self._at : self._at + 1]

    def _skip_blanks(self) -> None:
        match = _BLANKS.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _fail(self, message: str, at: int) -> NoReturn:
        line = re.sub(r"\s", " ", self._text)
        raise FilterError(f"cannot read the filter: {message}\n  {line}\n  {' ' * at}^")
