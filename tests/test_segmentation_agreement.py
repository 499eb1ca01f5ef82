"""One result, however it is computed: backends, instruction sets, cuts and snapshots."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import SegmentationSettings, Segmenter, WeightEvent, use_backend
from fusion.backends import BACKENDS, kernels
from fusion.reference import segmentation_state as layout
from fusion.segmentation_settings import configure
from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.plates import simulate_plates
from segmentation_cases import RATE, SHELF, START_NS, Case, adc, pick, quiet, random_case, ticks, unpack


def outcome(case: Case) -> tuple[Any, ...]:
    """All that a segmenter tells of a stream, in two pushes and with two ends."""
    segmenter = case.segmenter()
    half = len(case.grams) // 2
    told: list[Any] = []
    for rows in (slice(0, half), slice(half, None)):
        told += [unpack(segmenter.push(case.sample_ns[rows], case.grams[rows])), segmenter.open_since_ns]
        told += [segmenter.health(), segmenter.snapshot(), unpack(segmenter.flush()), segmenter.rezeroed]
    return (*told, segmenter.health(), segmenter.snapshot())


def test_backends_agree_bit_for_bit() -> None:
    events, tared, members = 0, 0, 0
    for seed in range(225):
        case = random_case(seed)
        told = agree(lambda case=case: outcome(case))
        found = [event for part in (told[0], told[4], told[6], told[10]) for event in part]
        events += len(found)
        members += sum(len(event[5]) for event in found)
        tared += told[11]
    assert events > 600
    assert members > events
    assert tared > 3


def test_backends_agree_on_any_bits(rng: np.random.Generator) -> None:
    """Signalling NaN, denormals, readings at the limits of the type: only the capacity bounds them."""
    bits = rng.integers(0, 2**32, (400, 6), dtype=np.uint32).view(np.float32)
    loads = adc(quiet(rng, 400))
    grams = np.where(rng.random(bits.shape) < 0.3, bits, loads)
    told = agree(lambda: outcome(Case(ticks(400), grams, SHELF, RATE)))
    assert all(np.isfinite(event[6]).all() and np.isfinite(event[7]).all() for event in told[0] + told[4])


@pytest.mark.parametrize("seed", [3, 4])
def test_backends_agree_on_plates_as_they_are_simulated(seed: int) -> None:
    plates = simulate_plates(
        PlateSettings(
            seed=seed,
            duration_s=120.0,
            events_per_plate_hour=60.0,
            touches_per_plate_hour=60.0,
            rests_per_plate_hour=30.0,
            hold_share=0.6,
            leans_per_hour=120.0,
        )
    )
    case = Case(plates.sample_ns, plates.grams, plates.groups, plates.rate_hz, plates.facings)
    assert len(agree(lambda: outcome(case))[0]) > 20


def full_store(rng: np.random.Generator) -> NDArray[np.float64]:
    """More items within merge_s than the store holds."""
    grams = quiet(rng, 2400)
    for at in range(200, 2350, 40):
        grams[at:, rng.integers(0, 6)] -= 100
    return grams


def tare_while_an_item_waits(rng: np.random.Generator) -> NDArray[np.float64]:
    grams = quiet(rng, 600)
    pick(grams, 310, 2, 100.0)
    pick(grams, 372, 4, 100.0)
    grams[380:] -= grams[380]
    return grams


def hands_on_an_item(rng: np.random.Generator) -> NDArray[np.float64]:
    """Hands press again and again on what was just put down, and let go of it."""
    grams = quiet(rng, 1500, 6, 0.3)
    for plate, mass, every in ((1, 200.0, 70), (4, 400.0, 50)):
        pick(grams, 200, plate, -mass)
        for at in range(250, 900, every):
            grams[at : at + 15, plate] += 0.8 * mass * np.hanning(15)
            grams[at + 15 : at + 19, plate] -= 0.9 * mass
    return grams


@pytest.mark.parametrize("scene", [full_store, tare_while_an_item_waits, hands_on_an_item])
def test_backends_agree_on_rare_scenes(rng: np.random.Generator, scene: Callable[[Any], NDArray[np.float64]]) -> None:
    grams = adc(scene(rng))
    merge_s = SegmentationSettings(merge_s=60.0 if scene is full_store else 2.0)
    case = Case(ticks(len(grams)), grams, SHELF, RATE, settings=merge_s)
    told = agree(lambda: outcome(case))
    assert any(told[i] for i in (0, 4, 6, 10))


def stream() -> Any:
    """Six plates at 60 Hz, without the wrapper."""
    limits, config = np.full(6, 20_000, np.float32), configure(60.0, SegmentationSettings())
    return kernels("segmentation").Stream(SHELF, np.zeros(6, np.int32), limits, config)


def test_backends_agree_at_the_end_of_time() -> None:
    def run() -> Any:
        late, last = stream(), 2**63 - 1
        found = late.push(np.array([0, 5, last - 1, last]), np.zeros((4, 6), np.float32))
        return found, late.flush(), late.open_since(), late.save()

    agree(run)


def test_a_fresh_segmenter_tells_the_same_everywhere() -> None:
    def run() -> Any:
        segmenter = Segmenter(SHELF, rate_hz=RATE)
        return segmenter.health(), segmenter.open_since_ns, segmenter.rezeroed, segmenter.flush(), segmenter.snapshot()

    health, since, *_ = agree(run)
    assert health["samples"].tolist() == [0] * 6
    assert np.isnan(health["level_g"]).all()
    assert since is None


@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=60, deadline=None)
def test_neither_cuts_nor_snapshots_change_anything(seed: int, cuts: list[int]) -> None:
    case = random_case(seed)
    whole = case.segmenter()
    expected = unpack(whole.push(case.sample_ns, case.grams))
    pieces: list[WeightEvent] = []
    segmenter = case.segmenter()
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(case.grams)], strict=True):
        pieces += segmenter.push(case.sample_ns[a:b], case.grams[a:b])
        fresh = case.segmenter()
        fresh.restore(segmenter.snapshot())
        segmenter = fresh
    assert repr(unpack(pieces)) == repr(expected)
    assert segmenter.snapshot() == whole.snapshot()


@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 400), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_snapshot_moves_between_backends_at_any_cut(seed: int, cuts: list[int]) -> None:
    case = random_case(seed)
    whole = case.segmenter()
    expected = unpack(whole.push(case.sample_ns, case.grams))
    pieces: list[WeightEvent] = []
    snapshot = case.segmenter().snapshot()
    for i, (a, b) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), len(case.grams)], strict=True)):
        with use_backend(BACKENDS[i % 3]):
            segmenter = case.segmenter()
            segmenter.restore(snapshot)
            pieces += segmenter.push(case.sample_ns[a:b], case.grams[a:b])
            snapshot = segmenter.snapshot()
    assert repr(unpack(pieces)) == repr(expected)
    assert snapshot == whole.snapshot()


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_instruction_sets_give_the_same_bits(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """A processor that lacks one takes the next lower, so this shows something only where it has them."""
    plates = simulate_plates(
        PlateSettings(seed=5, duration_s=120.0, shelves=3, plates=11, phantoms=2, events_per_plate_hour=60.0)
    )
    cases = [random_case(seed) for seed in range(1000, 1040)]
    cases.append(Case(plates.sample_ns, plates.grams, plates.groups, plates.rate_hz, plates.facings))
    monkeypatch.delenv("FUSION_SIMD", raising=False)
    best = [repr(outcome(case)) for case in cases]
    monkeypatch.setenv("FUSION_SIMD", level)
    assert [repr(outcome(case)) for case in cases] == best


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_reports_keep_their_promises(seed: int) -> None:
    case = random_case(seed)
    segmenter = case.segmenter()
    events = segmenter.push(case.sample_ns, case.grams) + segmenter.flush()
    revisions: dict[int, int] = {}
    ended = set()
    for e in events:
        assert e.id not in ended
        assert e.revision == revisions.get(e.id, -1) + 1
        revisions[e.id] = e.revision
        if e.final:
            ended.add(e.id)
        assert START_NS <= e.start_ns <= e.end_ns <= case.sample_ns[-1]
        assert len(e.plates) == len(e.delta_g) == len(e.sigma_g) > 0
        assert (np.diff(e.plates) > 0).all()
        assert len(set(case.groups[e.plates].tolist())) == 1
        assert np.isfinite(e.delta_g).all()
        assert (e.sigma_g > 0).all()
        assert 0 < e.quality <= 1
    assert ended == set(range(len(revisions)))
    assert segmenter.open_since_ns is None


def shifted(state: bytes, ticks_later: int) -> bytes:
    """Return the state as it would be had the same happened so much later: only what counts ticks differs."""
    with use_backend("reference"):
        twin = stream()
    twin.load(state)
    s = twin._state
    assert s.head[layout.RECORDS] == 0
    for i in (layout.TICK, layout.GAP_TICK):
        s.head[i] += ticks_later if s.head[i] >= 0 else 0
    for i in (layout.WOKEN, layout.SETTLED, layout.FAULT_TICK):
        s.longs[i][s.longs[i] >= 0] += ticks_later
    return bytes(twin.save())


def test_ticks_beyond_32_bits_change_nothing(rng: np.random.Generator) -> None:
    grams = quiet(rng, 1000)
    pick(grams, 700, 2, 150.0)
    times, rows = ticks(1000), adc(grams)
    early = stream()
    assert early.push(times[:600], rows[:600]) == []
    config = layout.Config(*configure(60.0, SegmentationSettings()))
    period = config.history * config.block * config.window
    later = shifted(early.save(), (2**33 // period) * period)
    expected = early.push(times[600:], rows[600:])
    assert len(expected) >= 2

    def run() -> Any:
        late = stream()
        late.load(later)
        return late.push(times[600:], rows[600:]), late.save()

    found, _ = agree(run)
    assert repr(found) == repr(expected)


HEADER = Path(__file__).parents[1] / "ext" / "core" / "segmentation_state.hpp"


@pytest.mark.skipif(not HEADER.exists(), reason="the core's source is not beside the tests")
def test_constants_and_rows_are_those_of_the_core() -> None:
    """Rare branches hide a constant that differs; the two texts do not."""
    text = re.sub(r"//.*", "", HEADER.read_text(encoding="utf-8"))
    found = re.findall(r"\b([A-Z][A-Z_]+) = (-?[0-9.e-]+)f?\s*[,;]", " ".join(re.findall(r"constexpr [^;]+;", text)))
    assert len(found) > 30
    for name, value in found:
        assert np.float32(getattr(layout, name)) == np.float32(value), name
    for rows in re.findall(r"enum (?:Head|Plate\w+|Record\w+|EventLong|Phase)[^{]*{([^}]+)}", text):
        names = re.findall(r"\w+", rows)
        assert [getattr(layout, name) for name in names] == list(range(len(names)))
