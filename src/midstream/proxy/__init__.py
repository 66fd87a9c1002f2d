"""Connections and exchanges: where bytes, flows and hooks meet."""
