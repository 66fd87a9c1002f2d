"""Events for addons: what they are called, who listens, and how they are told."""
