"""The command line: thin; every command fills `Options` and hands them to the engine."""

from midstream.cli.entry import main

__all__ = ["main"]
