import re

import pytest

from midstream.errors import UsageError
from midstream.filters import FilterError, parse


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("foo", "URL matches 'foo'"),
        ("~q", "unanswered"),
        ("(~q)", "unanswered"),
        ("~q|~s", "unanswered or answered"),
        ("~q&~e", "unanswered and failed"),
        ("~q ~e", "unanswered and failed"),
        ("!~q", "not unanswered"),
        ("! ! ~q", "unanswered"),
        ("!(~q | ~e)", "not (unanswered or failed)"),
        ("~q & !~e | ~s", "(unanswered and not failed) or answered"),
        ("~q | ~e & ~s", "unanswered or (failed and answered)"),
        ("~q | ~e ~s", "(unanswered or failed) and answered"),
        ("(~q ~e) | ~s", "(unanswered and failed) or answered"),
        ("~u a|b", "URL matches 'a|b'"),
        ("~u a | b", "URL matches 'a' or URL matches 'b'"),
        ("~m GET&~c 200", "method matches 'GET' and status is 200"),
        ("~u a|(~q)", "URL matches 'a' or unanswered"),
        ("~u a& ~q", "URL matches 'a&' and unanswered"),
        ("~u foo(bar)", "URL matches 'foo' and URL matches 'bar'"),
        ("~u foo!", "URL matches 'foo!'"),
        ("~u | ~q", "URL matches '|' and unanswered"),
        ("~c 200&~q", "status is 200 and unanswered"),
        ("(~c 200)", "status is 200"),
        ("~c200", "status is 200"),
        ("~c >= 400", "status is >= 400"),
        ("~c '200-299'", "status is 200-299"),
        ("~u 'a b'", "URL matches 'a b'"),
        ('"a b"', "URL matches 'a b'"),
        (r'~u "\d+\.js"', r"URL matches '\\d+\\.js'"),
        (r'~u "\\d"', r"URL matches '\\d'"),
        (r"""~u "say \"x\" 'y'" """, """URL matches 'say "x" \\'y\\''"""),
        ("~bq ~q", None),
        ("  ~q\n&\t~s  ", "unanswered and answered"),
        ("~q & ~s & ~e", "unanswered and answered and failed"),
        ("~q | ~s | ~e", "unanswered or answered or failed"),
    ],
)
def test_grammar(text, meaning):
    if meaning is None:
        with pytest.raises(FilterError, match="expected a regular expression"):
            parse(text)
    else:
        assert str(parse(text)) == meaning


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("", "cannot be empty", 0),
        ("  ", "cannot be empty", 0),
        ("()", "expected an atom", 1),
        ("~foo bar", "there is no atom ~foo", 0),
        ("~q & ~Q", "there is no atom ~Q", 5),
        ("~", "there is no atom ~", 0),
        ("(~q", "never closed", 0),
        ("~q)", "never opened", 2),
        ("~q &", "expected an atom", 4),
        ("| ~q", "expected an atom", 0),
        ("~q & | ~s", "expected an atom", 5),
        ("~u", "expected a regular expression", 2),
        ("~c", "a status", 2),
        ("~c 20x", "expected a status", 3),
        ("~c '", "quote is never closed", 3),
        ("~u 'abc", "quote is never closed", 3),
        ("~u a[b", "not a regular expression: unterminated", 4),
        ("~u '(x'", "not a regular expression", 3),
        ("~u a{99999999999999999999}", "not a usable regular expression", 3),
        ("(" * 60 + "~q" + ")" * 60, "nested more than", 50),
        ("~q\n& ~nope", "there is no atom", 5),
    ],
)
def test_mistakes_are_shown_with_their_place(text, message, caret):
    with pytest.raises(UsageError) as caught:
        parse(text)
    first, shown, pointer = str(caught.value).split("\n")
    assert message in first
    assert shown == "  " + re.sub(r"\s", " ", text)
    assert pointer == "  " + " " * caret + "^"


def test_case_is_ignored_unless_asked(flow, monkeypatch):
    assert parse("EXAMPLE")(flow)
    assert not parse("EXAMPLE", case_sensitive=True)(flow)
    monkeypatch.setenv("MIDSTREAM_CASE_SENSITIVE_FILTERS", "1")
    assert not parse("~bq NEEDLE")(flow)
    assert parse("EXAMPLE", case_sensitive=False)(flow)
