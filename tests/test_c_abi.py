"""The C ABI of segmentation: the same bits as from Python, and a status for whatever is wrong."""

import ctypes as c

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from c_library import Plate, Settings, Stream, library
from fusion import SegmentationSettings
from fusion.segmentation_settings import configure, limits_of, shared_by
from segmentation_cases import Case, random_case, unpack

HEADER_BYTES = 184  # before the members of a report
CONFIG_AT, CONFIG_LONGS = 40, 15


def opened(case: Case, lib: c.CDLL | None = None, pending: int | None = None) -> Stream:
    lib = library() if lib is None else lib
    known, count = Settings(), len(case.groups)
    assert lib.fusion_segmentation_defaults(c.byref(known), count, c.c_double(case.rate_hz)) == 0
    for name in ("smallest_item_g", "false_alarms_per_day", "settle_s", "merge_s", "baseline_s"):
        setattr(known, name, getattr(case.settings, name))
    known.pending = known.pending if pending is None else pending
    limits, shared = limits_of(20_000.0, count), shared_by(case.groups, case.facings)
    return Stream(
        lib, known, (Plate * count)(*zip(case.groups.tolist(), shared.tolist(), limits.tolist(), strict=True))
    )


def same(case: Case, stream: Stream) -> int:
    """Compare all that a stream tells with the segmenter's; how many events there were."""
    segmenter, half, told = case.segmenter(), len(case.grams) // 2, 0
    for rows in (slice(0, half), slice(half, None)):
        for found, expected in (
            (
                stream.push(case.sample_ns[rows], case.grams[rows]),
                segmenter.push(case.sample_ns[rows], case.grams[rows]),
            ),
            (stream.flush(), segmenter.flush()),
        ):
            assert repr(found) == repr(unpack(expected))
            told += len(found)
        assert stream.number("open_since") == (-1 if segmenter.open_since_ns is None else segmenter.open_since_ns)
        assert stream.number("rezeroed") == segmenter.rezeroed
        for plate, expected in enumerate(segmenter.health()):
            health = stream.health(plate)
            np.testing.assert_equal([getattr(health, n) for n in expected.dtype.names], list(expected.tolist()))
    if stream.lib is library():
        body = segmenter.snapshot()[-len(stream.state) + HEADER_BYTES + -(-12 * len(case.groups) // 8) * 8 :]
        assert bytes(stream.state[-len(body) :]) == body
    return told


def test_events_health_and_state_have_the_bits_of_the_engine() -> None:
    assert sum(same(case, opened(case)) for case in map(random_case, range(300))) > 700


def on_grid(case: Case) -> Case:
    """Readings and times as a controller keeps them: multiples of 1/64 g and of a microsecond."""
    grams = case.grams.astype(np.float64)
    grams = np.where(np.abs(grams) < 1e5, np.round(grams * 64) / 64, grams)
    return Case(
        case.sample_ns // 1000 * 1000, grams.astype(np.float32), case.groups, case.rate_hz, case.facings, case.settings
    )


def test_the_compact_form_has_the_same_bits_for_readings_on_its_grid() -> None:
    lib = library("-DFUSION_COMPACT")
    assert sum(same(case, opened(case, lib)) for case in map(on_grid, map(random_case, range(300)))) > 700


def test_a_shelf_of_twelve_plates_fits_into_16_kib() -> None:
    known, size = Settings(), c.c_size_t()
    lib = library("-DFUSION_COMPACT")
    lib.fusion_segmentation_defaults(c.byref(known), 12, c.c_double(60.0))
    known.pending = 20
    assert lib.fusion_segmentation_size(c.byref(known), c.byref(size)) == 0
    assert size.value <= 16 * 1024


@given(
    rate=st.one_of(st.sampled_from([1.0, 10.0, 15.0, 25.0, 59.94, 60.0, 80.0, 1000.0]), st.floats(1.0, 1e4)),
    item=st.floats(1e-3, 1e5),
    alarms=st.floats(1e-6, 1e6),
    settle=st.floats(0.01, 10.0),
    merge=st.floats(0.0, 60.0),
    longer=st.floats(1.0, 100.0),
)
@settings(max_examples=500, deadline=None)
def test_settings_come_to_the_same_numbers(
    rate: float, item: float, alarms: float, settle: float, merge: float, longer: float
) -> None:
    known = SegmentationSettings(item, alarms, settle, merge, settle * longer)
    case = Case(np.zeros(0, np.int64), np.zeros((0, 1), np.float32), np.zeros(1, np.int32), rate, None, known)
    state = opened(case).state[CONFIG_AT:HEADER_BYTES]
    expected = configure(rate, known)
    assert state[: 8 * CONFIG_LONGS].view(np.int64).tolist() == list(expected[:CONFIG_LONGS])
    floats = np.array(expected[CONFIG_LONGS:], np.float32)
    assert state[8 * CONFIG_LONGS :].view(np.float32).tolist() == floats.tolist()
