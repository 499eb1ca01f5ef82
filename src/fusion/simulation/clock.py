"""From seconds since the start of a simulation to nanoseconds since the Unix epoch."""

START_NS = 1_767_225_600_000_000_000
"""When every simulation starts: 2026-01-01T00:00:00Z."""


def epoch_ns(time_s: float) -> int:
    """Convert one time."""
    return START_NS + round(time_s * 1e9)
