"""Segmentation: a store of 1,024 plates, a packet, and what each backend and instruction set costs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import contenders
import detectors
import shelves
from fusion import Segmenter, WeightEvent, use_backend
from fusion.segmentation_settings import SegmentationSettings
from fusion.simulation import PlateSimulation

FIXTURES, SHELVES, PLATES = 16, 4, 16
CHUNK = 600
SETTINGS = SegmentationSettings(smallest_item_g=shelves.SMALLEST_G)


@contextmanager
def instruction_set(name: str) -> Iterator[None]:
    """Cap what the native kernels use."""
    os.environ["FUSION_SIMD"] = name
    try:
        yield
    finally:
        del os.environ["FUSION_SIMD"]


def stream(fixtures: list[PlateSimulation], chunk: int = CHUNK) -> list[WeightEvent]:
    """Segment fixtures chunk by chunk; every report."""
    found = []
    for fixture in fixtures:
        segmenter = Segmenter(fixture.groups, rate_hz=fixture.rate_hz, facings=fixture.facings, settings=SETTINGS)
        for k in range(0, len(fixture.sample_ns), chunk):
            found += segmenter.push(fixture.sample_ns[k : k + chunk], fixture.grams[k : k + chunk])
        found += segmenter.flush()
    return found


def changes(events: list[WeightEvent]) -> NDArray[np.float64]:
    """Make final changes comparable: times, plates and grams."""
    final = [e for e in events if e.final and e.kind == "change"]
    return np.array([(e.step_ns, p, g) for e in final for p, g in zip(e.plates, e.delta_g, strict=True)])


def test_a_store_of_1024_plates(benchmark: Any) -> None:
    store = list(shelves.fixtures(range(FIXTURES), shelves=SHELVES, plates=PLATES, duration_s=300.0))
    signals = [np.ascontiguousarray(f.grams[:, p], np.float64) for f in store for p in range(f.grams.shape[1])]
    samples = sum(signal.size for signal in signals)
    assert len(signals) == 1024

    def under(name: str) -> Callable[[], list[WeightEvent]]:
        def run() -> list[WeightEvent]:
            with instruction_set(name):
                return stream(store)

        return run

    expected = changes(stream(store))
    true = sum(len(f.changes) for f in store)

    def quality(result: Any) -> dict[str, float]:
        if isinstance(result, int):
            return {"changes": float(result), "true": float(true)}
        np.testing.assert_array_equal(changes(result), expected)
        return {"changes": float(len({t for t, *_ in expected})), "true": float(true)}

    rows = contenders.race(
        benchmark,
        "1,024 plates in 16 fixtures, online, ns a plate-sample (FPOP: the same samples, offline)",
        {
            "fusion, AVX2": under("avx2"),
            "fusion, baseline": under("baseline"),
            "fusion, AVX-512": under("avx512"),
            "skchange FPOP": lambda: sum(len(detectors.fpop(s, 60.0, 200.0)[0]) for s in signals),
        },
        quality,
        items=samples,
        rounds=3,
    )
    assert 0.9 * true <= float(rows["fusion, AVX2"]["changes"]) <= 1.1 * true


def test_one_packet_of_12_samples_and_12_plates(benchmark: Any) -> None:
    (fixture,) = shelves.fixtures([0], duration_s=120.0)
    count = len(fixture.sample_ns) // 12
    packets = [(fixture.sample_ns[12 * k : 12 * k + 12], fixture.grams[12 * k : 12 * k + 12]) for k in range(count)]

    def run() -> int:
        segmenter = Segmenter(fixture.groups, rate_hz=60.0, facings=fixture.facings, settings=SETTINGS)
        return sum(len(segmenter.push(times, grams)) for times, grams in packets)

    table = contenders.race(
        benchmark,
        "Packets of 12 samples x 12 plates from Python, ns a packet",
        {"fusion": run},
        lambda n: {"reports": float(n)},
        items=count,
        rounds=20,
    )
    assert float(table["fusion"]["reports"]) > 0


def test_backends(benchmark: Any) -> None:
    (fixture,) = shelves.fixtures([3], duration_s=60.0, events_per_plate_hour=60.0)

    def run(backend: str) -> bytes:
        with use_backend(backend):
            segmenter = Segmenter(fixture.groups, rate_hz=60.0, facings=fixture.facings, settings=SETTINGS)
            segmenter.push(fixture.sample_ns, fixture.grams)
            return segmenter.snapshot()

    expected = run("native")

    def quality(state: bytes) -> dict[str, float]:
        assert state == expected
        return {"bytes that differ": 0.0}

    calls = {name: lambda name=name: run(name) for name in ("native", "numba", "reference")}
    title = "12 plates for a minute, busy, ns a plate-sample"
    contenders.race(benchmark, title, calls, quality, items=fixture.grams.size, rounds=3)
