"""The C ABI of segmentation when its caller errs: a status for everything, and nothing done."""

import ctypes as c
from typing import Any

import numpy as np
import pytest

from c_library import REPORT, STATUS, Plate, PlateHealth, Settings, Stream, aligned, at, call, library
from fusion import SegmentationSettings
from segmentation_cases import RATE, SHELF, START_NS, Case, adc, pick, quiet, ticks
from test_c_abi import opened

BAD, GOOD = STATUS["BAD_ARGUMENT"], STATUS["OK"]


def settings(**changes: Any) -> Settings:
    known = Settings()
    assert call(library(), "segmentation_defaults", c.byref(known), 6, 60.0) == GOOD
    for name, value in changes.items():
        setattr(known, name, value)
    return known


def stream() -> Stream:
    return opened(Case(np.zeros(0, np.int64), np.zeros((0, 6), np.float32), SHELF, RATE))


OUT_OF_RANGE = {
    "plates": (0, -1, 65_537, 2**31 - 1),
    "pending": (0, 3, -1, 262_145),
    "reserved": (1,),
    "rate_hz": (0.0, 0.99, 10_001.0, np.nan, np.inf, -60.0),
    "smallest_item_g": (0.0, np.nan, 1e6),
    "false_alarms_per_day": (0.0, np.inf),
    "settle_s": (0.0, np.nan, 11.0),
    "merge_s": (-1.0, 61.0),
    "baseline_s": (0.1, 3601.0),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in OUT_OF_RANGE.items() for v in values])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    lib, size, state, plates = library(), c.c_size_t(7), aligned(1 << 16), (Plate * 6)()
    bad = settings(**{name: value})
    assert call(lib, "segmentation_size", c.byref(bad), c.byref(size)) == BAD
    assert call(lib, "segmentation_init", state, c.c_size_t(1 << 16), c.byref(bad), plates) == BAD
    assert size.value == 7


def test_another_version_is_refused() -> None:
    lib, size, old = library(), c.c_size_t(), settings(abi=0)
    given = aligned(64), c.c_size_t(64), c.byref(old), (Plate * 6)()
    assert call(lib, "segmentation_size", c.byref(old), c.byref(size)) == STATUS["ABI_MISMATCH"]
    assert call(lib, "segmentation_init", *given) == STATUS["ABI_MISMATCH"]
    assert call(lib, "segmentation_resume", *given[:3]) == STATUS["ABI_MISMATCH"]


def test_the_largest_state_that_can_be_asked_for_has_a_size() -> None:
    size = c.c_size_t()
    largest = settings(plates=65_536, pending=262_144, rate_hz=10_000.0, settle_s=10.0, baseline_s=10.0)
    assert call(library(), "segmentation_size", c.byref(largest), c.byref(size)) == GOOD
    assert size.value > 2**34


def test_memory_that_does_not_do_is_refused() -> None:
    lib, known, plates, size = library(), settings(), (Plate * 6)(), c.c_size_t()
    assert call(lib, "plates_defaults", plates, 6) == GOOD
    assert call(lib, "segmentation_size", c.byref(known), c.byref(size)) == GOOD
    state, less = aligned(size.value + 8), c.c_size_t(size.value - 1)
    before = state.copy()
    assert call(lib, "segmentation_init", state, less, c.byref(known), plates) == STATUS["NO_ROOM"]
    for memory, its_plates in ((state[4:], plates), (None, plates), (state, None)):
        assert call(lib, "segmentation_init", memory, size, c.byref(known), its_plates) == BAD
    for capacity in (0.0, -1.0, np.nan, np.inf, 2e6):
        plates[3].capacity_g = capacity
        assert call(lib, "segmentation_init", state, size, c.byref(known), plates) == BAD
    np.testing.assert_array_equal(state, before)
    assert call(lib, "plates_defaults", None, 6) == call(lib, "plates_defaults", plates, 0) == BAD
    assert call(lib, "segmentation_defaults", None, 6, 60.0) == call(lib, "segmentation_size", None, None) == BAD


@pytest.mark.parametrize("memory", [None, aligned(4096), np.zeros(512, np.uint64).view(np.uint8)])
def test_memory_without_a_state_is_refused(memory: Any) -> None:
    lib, report, number, bad = library(), REPORT(lambda *_: None), c.c_int64(), STATUS["BAD_STATE"]
    times, grams = np.zeros(1, np.int64), np.zeros(6, np.float32)
    assert call(lib, "segmentation_push", memory, times, grams, c.c_size_t(1), report, None) == bad
    assert call(lib, "segmentation_flush", memory, report, None) == bad
    assert call(lib, "segmentation_open_since", memory, c.byref(number)) == bad
    assert call(lib, "segmentation_rezeroed", memory, c.byref(number)) == bad
    assert call(lib, "segmentation_health", memory, 0, c.byref(PlateHealth())) == bad
    assert call(lib, "segmentation_seal", memory) == bad


def test_missing_arguments_are_refused_and_change_nothing() -> None:
    fresh = stream()
    before, times, grams = fresh.state.copy(), ticks(2), np.zeros((2, 6), np.float32)
    state, two, report = at(fresh.state), c.c_size_t(2), fresh._report
    good = [state, at(times), at(grams), two, report, None]
    for i, value in ((1, None), (2, None), (4, REPORT()), (3, c.c_size_t(2**64 - 1)), (1, c.c_void_p(3))):
        assert fresh.call("push", *good[:i], value, *good[i + 1 :]) == BAD
    assert fresh.call("push", state, None, None, c.c_size_t(0), report, None) == GOOD
    assert fresh.call("flush", state, REPORT(), None) == BAD
    for name in ("open_since", "rezeroed"):
        assert fresh.call(name, state, None) == BAD
    for plate in (-1, 6, 2**31 - 1):
        assert fresh.call("health", state, plate, c.byref(PlateHealth())) == BAD
    assert fresh.call("health", state, 0, None) == BAD
    np.testing.assert_array_equal(fresh.state, before)


@pytest.mark.parametrize("times", [[-1, 5], [5, 4], [-(2**63), 2**63 - 1]])
def test_times_that_decrease_are_refused_and_change_nothing(times: list[int]) -> None:
    fresh = stream()
    before, given, grams = fresh.state.copy(), np.array(times, np.int64), np.zeros((2, 6), np.float32)
    arguments = at(fresh.state), at(given), at(grams), c.c_size_t(2), fresh._report, None
    assert fresh.call("push", *arguments) == STATUS["BAD_TIME"]
    np.testing.assert_array_equal(fresh.state, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-45])
def test_any_reading_is_taken(value: float) -> None:
    fresh = stream()
    assert fresh.push(ticks(200), np.full((200, 6), value, np.float32)) == fresh.flush() == []
    health = fresh.health(0)
    assert health.samples == (200 if value == np.float32(1e-45) else 0) or abs(value) < 1
    assert health.faults == (200 if abs(value) > 1 else 0)


def test_a_full_store_is_told_and_loses_nothing(rng: np.random.Generator) -> None:
    """More items within merge_s than may be pending: the oldest become final early."""
    grams = quiet(rng, 1200)
    for at_tick in range(200, 1100, 40):
        grams[at_tick:, rng.integers(0, 6)] -= 100
    case = Case(ticks(1200), adc(grams), SHELF, RATE, settings=SegmentationSettings(merge_s=60.0))
    small = opened(case, pending=4)
    times, rows = np.ascontiguousarray(case.sample_ns), np.ascontiguousarray(case.grams)
    arguments = at(small.state), at(times), at(rows), c.c_size_t(1200), small._report, None
    assert small.call("push", *arguments) == STATUS["TOLD_EARLY"]
    told = list(small.events) + small.flush()
    final = [event for event in told if event[9]]
    assert sum(len(event[5]) for event in final if event[8] == "change") >= 20
    assert {event[0] for event in final} == {event[0] for event in told}


def test_a_snapshot_goes_on_elsewhere_and_damage_is_seen(rng: np.random.Generator) -> None:
    grams = quiet(rng, 900)
    pick(grams, 430, 2, 150.0)
    one, rows = stream(), adc(grams)
    assert one.push(ticks(900)[:440], rows[:440]) == []
    one.must("seal", at(one.state))
    kept, size = one.state.copy(), c.c_size_t(len(one.state))
    expected = one.push(ticks(900)[440:], rows[440:])
    assert len(expected) >= 2

    other = stream()
    other.state[:] = kept
    assert other.call("resume", at(other.state), size, c.byref(other.settings)) == GOOD
    assert repr(other.push(ticks(900)[440:], rows[440:])) == repr(expected)
    assert other.call("resume", at(other.state), size, c.byref(other.settings)) == STATUS["BAD_STATE"]  # not sealed
    for place in (0, 9, 20, 30, 100, 190, 400, len(kept) - 1):
        other.state[:] = kept
        other.state[place] ^= 4
        assert other.call("resume", at(other.state), size, c.byref(other.settings)) == STATUS["BAD_STATE"], place
    other.state[:] = kept
    changed = settings(smallest_item_g=9.0)
    assert other.call("resume", at(other.state), size, c.byref(changed)) == STATUS["BAD_STATE"]
    assert other.call("resume", at(other.state), c.c_size_t(8), c.byref(other.settings)) == STATUS["NO_ROOM"]
    assert other.call("resume", None, size, c.byref(other.settings)) == BAD
    assert other.push(np.array([START_NS + 10**12]), np.zeros((1, 6), np.float32)) is not None
