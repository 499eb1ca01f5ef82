"""Segmentation: against an exact offline detector on one plate, and the cost of a whole fixture and of one packet."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skchange.detectors import FPOP

import contenders
from fusion import Segmenter, use_backend

RATE = 60
Found = tuple[NDArray[np.float64], NDArray[np.float64]]


def plate(n: int = 60_000, steps: int = 40) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """One plate with vibration, quantised, with picks and returns of 20 to 1500 g, touches between them."""
    rng = np.random.default_rng(20200422)
    at = np.linspace(900, n - 900, steps).astype(np.int64) + rng.integers(-200, 200, steps)
    mass = rng.uniform(20, 1500, steps) * np.where(np.arange(steps) % 2, 1, -1)
    time = np.arange(n) / RATE
    grams = 5000 + rng.normal(0, 1, n) + 1.5 * np.sin(2 * np.pi * 11.3 * time + np.cumsum(rng.normal(0, 0.3, n)))
    for k, m in zip(at, mass, strict=True):
        grams[k:] += m
        ring = np.arange(30)
        grams[k : k + 30] += 0.03 * m * np.exp(-ring / 6) * np.cos(ring * 1.2)
        grams[k + 400 : k + 412] += 40 * np.hanning(12)
    return (np.round(grams / 0.24) * 0.24).astype(np.float32), at, mass


def quality(found: Found, at: NDArray[np.int64], mass: NDArray[np.float64]) -> dict[str, float]:
    """F1 at +-0.5 s, each truth matched once, and the median error of the matched changes."""
    times, deltas = found
    free, errors = set(range(len(times))), []
    for k, m in zip(at, mass, strict=True):
        near = [i for i in free if abs(times[i] - k) <= RATE / 2]
        if near:
            best = min(near, key=lambda i: abs(times[i] - k))
            free.remove(best)
            errors.append(abs(deltas[best] - m))
    f1 = 2 * len(errors) / (len(at) + len(times)) if len(times) else 0.0
    return {"F1": f1, "|delta error| g": float(np.median(errors)) if errors else np.nan}


def streamed(times: NDArray[np.int64], grams: NDArray[np.float32]) -> Found:
    """Take the final changes of this package."""
    segmenter = Segmenter([0], rate_hz=RATE)
    events = [e for e in segmenter.push(times, grams[:, None]) + segmenter.flush() if e.final and e.kind == "change"]
    middle = np.array([(e.start_ns + e.end_ns) / 2 for e in events])
    return middle * RATE / 1e9, np.array([float(e.delta_g.sum()) for e in events])


def fpop(grams: NDArray[np.float32], strictness: float = 200.0) -> Found:
    """Exact segmentation of the whole signal, scaled by its noise; change points by means between them."""
    signal = grams.astype(np.float64)
    scale = 1.4826 * np.median(np.abs(np.diff(signal))) / np.sqrt(2)
    # In its favour, a penalty at which it is right on this very signal: below, it splits at ringing and touches.
    labels = FPOP(penalty=strictness * np.log(len(signal))).fit_predict((signal / scale)[:, None])
    points = np.flatnonzero(np.diff(labels)) + 1 if len(labels) == len(signal) else np.asarray(labels)
    means = [segment.mean() for segment in np.split(signal, points)]
    return points.astype(np.float64), np.diff(means)


def test_one_plate_against_an_exact_detector(benchmark: Any) -> None:
    grams, at, mass = plate()
    times = (np.arange(len(grams)) * (1e9 / RATE)).astype(np.int64)
    rows = contenders.race(
        benchmark,
        "Changes of one plate, ns a sample (60,000 samples, 40 changes, 40 touches)",
        {"fusion (online)": lambda: streamed(times, grams), "skchange FPOP (offline)": lambda: fpop(grams)},
        lambda found: quality(found, at, mass),
        items=len(grams),
        rounds=3,
    )
    assert float(rows["fusion (online)"]["F1"]) > 0.97
    assert float(rows["fusion (online)"]["|delta error| g"]) < 2


def fixture(n: int, plates: int) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Quiet plates of which one changes each second."""
    rng = np.random.default_rng(306)
    grams = rng.uniform(-5000, 9000, plates) + rng.normal(0, 0.8, (n, plates))
    for k in range(300, n, RATE):
        grams[k:, rng.integers(0, plates)] += rng.choice([-200, 200])
    rows = (np.round(grams / 0.24) * 0.24).astype(np.float32)
    return (
        (np.arange(n) * (1e9 / RATE)).astype(np.int64),
        rows,
        np.repeat(np.arange(plates), 12)[:plates].astype(np.int32),
    )


def test_a_store_of_306_plates(benchmark: Any) -> None:
    times, rows, groups = fixture(3000, 306)

    def run(backend: str) -> int:
        with use_backend(backend):
            return len(Segmenter(groups, rate_hz=RATE).push(times, rows))

    table = contenders.race(
        benchmark,
        "306 plates, ns a plate-sample",
        {"native": lambda: run("native"), "numba": lambda: run("numba")},
        lambda reports: {"reports": float(reports)},
        items=rows.size,
        rounds=5,
    )
    assert table["native"]["reports"] == table["numba"]["reports"] > 0


def test_reference(benchmark: Any) -> None:
    times, rows, groups = fixture(600, 24)

    def run(backend: str) -> bytes:
        with use_backend(backend):
            segmenter = Segmenter(groups, rate_hz=RATE)
            segmenter.push(times, rows)
            return segmenter.snapshot()

    expected = run("native")

    def quality(state: bytes) -> dict[str, float]:
        assert state == expected
        return {"bytes that differ": 0.0}

    calls = {name: lambda name=name: run(name) for name in ("native", "numba", "reference")}
    contenders.race(benchmark, "24 plates for 10 s, ns a plate-sample", calls, quality, items=rows.size, rounds=3)


def test_one_packet_of_12_samples_and_12_plates(benchmark: Any) -> None:
    times, rows, groups = fixture(6000, 12)

    def run() -> int:
        segmenter = Segmenter(groups, rate_hz=RATE)
        return sum(len(segmenter.push(times[k : k + 12], rows[k : k + 12])) for k in range(0, len(rows), 12))

    table = contenders.race(
        benchmark, "Packets of 12 x 12, ns a packet", {"native": run}, lambda n: {"reports": float(n)}, items=500
    )
    assert float(table["native"]["reports"]) > 0
