"""Runs contenders for one job in turns, so that a machine whose speed drifts is fair to all of them."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

Row = dict[str, str | float]
TABLES: dict[str, list[Row]] = {}
"""Title of each race to its rows; ``conftest.py`` prints them when the session ends."""


def race(
    benchmark: Any,
    title: str,
    contenders: dict[str, Callable[[], Any]],
    quality: Callable[[Any], dict[str, float]],
    *,
    items: int,
    rounds: int = 5,
) -> dict[str, Row]:
    """Time contenders in turns and tell their quality.

    Parameters
    ----------
    benchmark : fixture of pytest-benchmark
        Times the first contender; the others run before each of its rounds.
    title : str
        Names the table and says what one item is.
    contenders : dict
        Name to a call without arguments; all do the same job. Each is run once before it is timed.
    quality : callable
        Result of a contender to named figures, asserted by the caller and printed beside the time.
    items : int
        How many items the job has.
    rounds : int
        How often each runs; the median is told.

    Returns
    -------
    dict
        Name to its row: ``ns/item``, ``ratio`` (time over the first contender's) and the figures of `quality`.
    """
    first, *others = contenders
    figures = {name: quality(call()) for name, call in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}

    def turn(name: str) -> None:
        start = perf_counter()
        contenders[name]()
        seconds[name].append(perf_counter() - start)

    def rivals() -> None:
        for name in others:
            turn(name)

    benchmark.pedantic(turn, args=(first,), setup=rivals, rounds=rounds)
    rows: dict[str, Row] = {}
    for name in contenders:
        ns = median(seconds[name]) / items * 1e9
        ratio = median(b / a for a, b in zip(seconds[first], seconds[name], strict=True))
        rows[name] = {"contender": name, "ns/item": ns, "ratio": ratio, **figures[name]}
    benchmark.extra_info["contenders"] = list(rows.values())
    TABLES[title] = list(rows.values())
    return rows
