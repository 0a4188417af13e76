"""The device-facing edge: check-in and connect. Thin: who is calling, what do they say, which service does it."""
