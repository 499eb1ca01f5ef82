"""Offline segmentation: against exact detectors of the same optimum, on a plate of an hour at 60 Hz."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from ruptures import KernelCPD
from skchange.detectors import FPOP

import contenders
from fusion import Segmentation, segment, use_backend
from fusion.backends import kernels

RATE = 60
SAMPLES = 216_000
STEPS = 60
Array = NDArray[np.float64]
Found = tuple[Array, Array]


def plate(variant: Literal["A", "B"]) -> tuple[Array, NDArray[np.int64], Array]:
    """Signal, ticks and masses of 60 steps of 20 to 1500 g; white noise of 1 g and touches of 40 g between the steps.

    B adds a hundred bursts of structural vibration of 9 g, ringing after each step, and slow drift.
    """
    rng = np.random.default_rng(20200422)
    at = np.linspace(900, SAMPLES - 1800, STEPS).astype(np.int64) + rng.integers(-200, 200, STEPS)
    mass = rng.uniform(20, 1500, STEPS) * np.where(np.arange(STEPS) % 2, 1, -1)
    grams = 5000 + rng.normal(0, 1, SAMPLES)
    for k, m in zip(at, mass, strict=True):
        grams[k:] += m
        grams[k + 400 : k + 412] += 40 * np.hanning(12)
    if variant == "B":
        time = np.arange(SAMPLES) / RATE
        grams += 3 * np.sin(2 * np.pi * time / 1800)
        for k in rng.integers(0, SAMPLES - RATE, 100):
            grams[k : k + RATE] += 9 * np.hanning(RATE) * np.sin(2 * np.pi * 11.3 * time[:RATE] + rng.uniform(0, 6))
        ring = np.arange(30)
        for k, m in zip(at, mass, strict=True):
            grams[k : k + 30] += 0.03 * m * np.exp(-ring / 6) * np.cos(ring * 1.2)
    return grams, at, mass


def quality(found: Found, at: NDArray[np.int64], mass: Array) -> dict[str, float]:
    """F1 at +-0.5 s, each truth matched once, and the median error of the matched changes."""
    ticks, deltas = found
    free, errors = set(range(len(ticks))), []
    for k, m in zip(at, mass, strict=True):
        near = [i for i in free if abs(ticks[i] - k) <= RATE / 2]
        if near:
            best = min(near, key=lambda i: abs(ticks[i] - k))
            free.remove(best)
            errors.append(abs(deltas[best] - m))
    return {
        "changes": float(len(ticks)),
        "F1": 2 * len(errors) / (len(at) + len(ticks)),
        "|delta error| g": float(np.median(errors)) if errors else np.nan,
    }


def with_deltas(grams: Array, ticks: Array) -> Found:
    """Complete the ticks of a peer by the differences of the means between them."""
    return ticks, np.diff([part.mean() for part in np.split(grams, ticks.astype(np.int64))])


def ours(result: Segmentation) -> Found:
    return result.ticks.astype(np.float64), result.deltas_g


def deviation(grams: Array) -> float:
    """Deviation of a sample by the differences of successive ones, as the peers' users scale their signals."""
    return float(1.4826 * np.median(np.abs(np.diff(grams))) / np.sqrt(2))


@pytest.mark.parametrize("variant", ["A", "B"])
def test_the_same_optimum_as_skchange(benchmark: Any, variant: Literal["A", "B"]) -> None:
    """One job: the signal in, the ticks out, at skchange's own default penalty 2 log n; equal results asserted."""
    grams, at, mass = plate(variant)
    scaled = grams / deviation(grams)
    penalty = 2 * np.log(SAMPLES)
    rng = np.random.default_rng(7)
    gaps = np.where(rng.random(SAMPLES) < 0.05, np.nan, scaled)
    weights = rng.uniform(0.5, 2.0, SAMPLES)
    kernel = kernels("changepoints").segment
    none, ones = np.empty(0), np.ones(SAMPLES)
    calls: dict[str, Callable[[], Array]] = {
        "fusion": lambda: kernel(scaled, none, penalty, np.inf)[0][1:],
        "fusion, weights of 1": lambda: kernel(scaled, ones, penalty, np.inf)[0][1:],
        "fusion, weights and 5 % NaN": lambda: kernel(gaps, weights, penalty, np.inf)[0][1:],
        "fusion, biweight": lambda: kernel(scaled, none, penalty, 3.0)[0][1:],
        "skchange FPOP": lambda: FPOP(penalty=penalty).fit(scaled[:, None]).predict(scaled[:, None]),
    }
    expected = calls["skchange FPOP"]()
    for name in ("fusion", "fusion, weights of 1"):
        np.testing.assert_array_equal(calls[name](), expected)
    contenders.race(
        benchmark,
        f"Plate {variant}, the same penalty 2 log n, ns a sample (216,000 samples, 60 steps, 60 touches)",
        calls,
        lambda ticks: quality(with_deltas(grams, ticks.astype(np.float64)), at, mass),
        items=SAMPLES,
        rounds=15,
    )


@pytest.mark.parametrize("variant", ["A", "B"])
def test_what_users_call(benchmark: Any, variant: Literal["A", "B"]) -> None:
    """Grams in, changes in grams out, each with its defaults; ours measures the noise too."""
    grams, at, mass = plate(variant)

    def skchange() -> Found:
        scaled = grams[:, None] / deviation(grams)
        return with_deltas(grams, FPOP().fit(scaled).predict(scaled).astype(np.float64))

    def strict() -> Found:
        """In its favour, a penalty at which it splits at no touch; chosen on this very signal."""
        scaled = grams[:, None] / deviation(grams)
        found = FPOP(penalty=800 * np.log(SAMPLES)).fit(scaled).predict(scaled)
        return with_deltas(grams, found.astype(np.float64))

    rows = contenders.race(
        benchmark,
        f"Plate {variant}, from grams to changes, ns a sample",
        {
            "fusion": lambda: ours(segment(grams, rate_hz=RATE)),
            "fusion, square loss": lambda: ours(segment(grams, rate_hz=RATE, loss="square")),
            "skchange FPOP, 2 log n": skchange,
            "skchange FPOP, 800 log n": strict,
        },
        lambda found: quality(found, at, mass),
        items=SAMPLES,
        rounds=9,
    )
    assert float(rows["fusion"]["F1"]) > 0.97
    assert float(rows["fusion"]["|delta error| g"]) < 0.5


def test_ruptures(benchmark: Any) -> None:
    """The first 20,000 samples of plate A: KernelCPD with the linear kernel takes the same costs and penalty."""
    grams, at, mass = plate("A")
    n = 20_000
    part, inside = grams[:n] / deviation(grams), at < n
    penalty = 2 * np.log(n)
    none = np.empty(0)

    def ruptures() -> Array:
        return np.array(KernelCPD(kernel="linear", min_size=1).fit(part[:, None]).predict(pen=penalty)[:-1])

    calls: dict[str, Callable[[], Array]] = {
        "fusion": lambda: kernels("changepoints").segment(part, none, penalty, np.inf)[0][1:],
        "ruptures KernelCPD": ruptures,
    }
    np.testing.assert_array_equal(calls["fusion"](), calls["ruptures KernelCPD"]())
    contenders.race(
        benchmark,
        "Plate A, the first 20,000 samples, the same penalty 2 log n, ns a sample",
        calls,
        lambda ticks: quality(with_deltas(grams[:n], ticks.astype(np.float64)), at[inside], mass[inside]),
        items=n,
        rounds=3,
    )


def test_backends(benchmark: Any) -> None:
    grams, _, _ = plate("A")
    part = grams[:5000]

    def run(backend: str) -> tuple[Array, ...]:
        with use_backend(backend):
            return tuple(kernels("changepoints").segment(part, np.empty(0), 20.0, 3.0))

    expected = run("native")

    def differ(result: tuple[Array, ...]) -> dict[str, float]:
        for a, b in zip(result, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        return {"bits that differ": 0.0}

    calls = {name: lambda name=name: run(name) for name in ("native", "numba", "reference")}
    contenders.race(benchmark, "Biweight, 5,000 samples, ns a sample", calls, differ, items=len(part), rounds=3)
