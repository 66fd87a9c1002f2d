"""Typed settings, where they come from, and who hears of their changes."""

from midstream.options.modes import Listener, ModeSpec, listeners
from midstream.options.options import Options

__all__ = ["Listener", "ModeSpec", "Options", "listeners"]
