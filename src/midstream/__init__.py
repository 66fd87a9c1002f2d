"""An intercepting proxy: see ARCHITECTURE.md for the way data travels."""
