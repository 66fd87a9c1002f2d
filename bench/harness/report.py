"""Results as a table on the terminal, and as the page docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence

from harness.results import Result, Target

_INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. Every figure of a table comes from the same run on the same machine: one nginx
worker is the origin, wrk, h2load or curl is the load, and midstream, mitmdump, nginx `proxy_pass` and nghttpx do the
same job in turns, where they can.
The proxy under measurement has a CPU of its own; the origin and the load share the others. midstream is the compiled
build and runs as `midstream dump -q`, mitmdump with the very same flags. Only ratios within a table mean something:
other machines give other absolute figures.

Latencies are taken at one connection, where one program works at a time, and with all of them on one CPU. With CPUs of
their own a request through a proxy wakes a sleeping CPU four times, and one without a proxy never, so that what a proxy
"adds" is mostly how long the machine takes to wake; the last column shows it.

The answer is 1 KB with seven header fields, the request has ten. Clear text goes through a forward proxy; TLS on both
sides goes through a reverse proxy, since load generators do not speak CONNECT. Large bodies are streamed by every
peer (`stream_large_bodies=10m`).

Every answer is counted, and a round with one that failed gives no figure. With HTTP/2 the load and the origin also tell
which version each side spoke. To translate between versions mitmdump takes a script of three lines that says what to
offer the origin, and midstream, from HTTP/1.1 to HTTP/2, the option `server_http2`; nginx and nghttpx do not face each combination of versions.
"""


def terminal(result: Result) -> str:
    lines = ["", f"== {result.name}: {result.title}", *_plain_table(["", *result.columns], _cells(result))]
    lines += [f"   {_verdict(target)}  {target.promise}: {target.measured}" for target in result.targets]
    lines += [f"   note: {remark}" for remark in result.remarks]
    return "\n".join(lines)


def markdown(results: Sequence[Result], facts: Sequence[tuple[str, str]], remarks: Sequence[str]) -> str:
    parts = [_INTRODUCTION, "## Machine\n", _markdown_table(["what", "value"], [list(fact) for fact in facts])]
    parts += [f"- {remark}" for remark in remarks]
    parts += ["\n## Targets\n", _markdown_table(["scenario", "target", "measured", ""], _targets(results))]
    for result in results:
        parts += [f"\n## {result.title}\n", _markdown_table(["", *result.columns], _cells(result))]
        parts += ["", *(f"- {remark}" for remark in result.remarks)] if result.remarks else []
    return "\n".join(parts) + "\n"


def _cells(result: Result) -> list[list[str]]:
    return [[row.name, *row.cells] for row in result.rows]


def _targets(results: Sequence[Result]) -> list[list[str]]:
    return [
        [result.name, target.promise, target.measured, _verdict(target)]
        for result in results
        for target in result.targets
    ]


def _verdict(target: Target) -> str:
    return {True: "met", False: "MISSED", None: "?"}[target.is_met]


def _plain_table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "   "
        + "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]


def _markdown_table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1) if len(head) > 2 else ["---"] * len(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])
