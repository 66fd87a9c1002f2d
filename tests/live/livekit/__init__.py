"""Real peers for live tests: origins, parent proxies, clients, and midstream itself in a thread. Loopback only."""
