"""Measure midstream beside mitmdump, nginx and nghttpx, and say which targets are met: `make bench`, or this file.

A full run takes about forty minutes and writes docs/benchmarks.md. `--quick` and `--only` print and leave the page alone.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path

from harness import machine, peers, report
from harness.results import Result
from harness.scenarios import SCENARIOS
from harness.stage import FULL, QUICK, Stage, open_stage

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TOOLS = ("nginx", "wrk", "h2load", "curl", "openssl")
PACKAGES = {"h2load": "nghttp2-client"}


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended on the way out
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        print(
            f"bench needs {', '.join(missing)}: apt-get install {' '.join(PACKAGES.get(tool, tool) for tool in missing)}",
            file=sys.stderr,
        )
        return 2
    chosen, remarks = peers.choose(arguments.peers or list(peers.NAMES))
    facts = machine.facts() + [(f"{peer.name} measured", peer.version) for peer in chosen]
    _announce(facts, remarks)
    with open_stage(chosen, QUICK if arguments.quick else FULL) as stage:
        results = [_run(stage, name) for name in arguments.only or SCENARIOS]
    page = arguments.output or (None if arguments.quick or arguments.only or arguments.peers else PAGE)
    if page:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(report.markdown(results, facts, remarks))
        print(f"\nwritten: {page}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=SCENARIOS, help=f"one of {', '.join(SCENARIOS)}"
    )
    parser.add_argument(
        "--peer", action="append", dest="peers", choices=peers.NAMES, help="measure this peer; default all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a minute or two, to see that everything works; rough figures"
    )
    parser.add_argument("--output", type=Path, help="write the page here, whatever was run")
    return parser.parse_args()


def _announce(facts: list[tuple[str, str]], remarks: list[str]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name.ljust(width)}  {value}")
    for remark in remarks:
        print(f"note: {remark}")


def _run(stage: Stage, name: str) -> Result:
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    result = SCENARIOS[name](stage)
    print(report.terminal(result), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
