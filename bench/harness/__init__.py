"""The benchmark harness: what it starts, how it loads it, what it measures, how it reports. Standard library only."""
