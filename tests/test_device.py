"""Device events: a controller's records in place of grams, whatever happens to them on their way."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers import Controller, through_controllers
from fusion import DeviceEvents, Engine, Outcome, ScalePacket, WeightEvent
from fusion.device import WINDOW, DeviceFeed
from fusion.device_records import MAGIC, Damage, DeviceStatus, Sender, decode, encode
from fusion.doctor import diagnose
from fusion.observations import Observation
from fusion.simulation import Simulation, SimulationSettings, simulate

T = 1_600_000_000_000_000_000
S = 1_000_000_000
PLATES = 4


def event(id_: int = 0, revision: int = 0, *, final: bool = True, start_s: float = 0.0) -> WeightEvent:
    start_ns = T + round(start_s * S)
    plates, grams = np.array([1, 2], np.int32), np.array([-300.25, -200.5], np.float32)
    sigma = np.array([0.5, 0.25], np.float32)
    return WeightEvent(
        id_,
        revision,
        start_ns,
        start_ns + 1,
        start_ns + S,
        plates,
        grams,
        sigma,
        "change",
        final,
        float(np.float32(0.8)),
    )


def status(open_since_ns: int | None = None, plates: int = PLATES) -> DeviceStatus:
    rows = np.zeros(plates, decode_row())
    rows["noise_g"], rows["samples"] = 0.5, 60
    return DeviceStatus(open_since_ns, 0, 0, rows)


def decode_row() -> np.dtype:
    names = ["flags", "noise_g", "drift_g_per_min", "spikes", "samples", "missing", "faults"]
    return np.dtype(list(zip(names, ["u1", "<f4", "<f4", "<u4", "<u4", "<u4", "<u4"], strict=True)))


def record(sequence: int, body: WeightEvent | DeviceStatus, *, boot: int = 1, now_s: float = 5.0) -> bytes:
    return encode(Sender(boot, sequence, T + round(now_s * S)), body)


def feed(*records: bytes) -> tuple[DeviceFeed, list[WeightEvent]]:
    told = DeviceFeed(PLATES)
    return told, [e for r in records for e in told.push(DeviceEvents("f", T + 10 * S, r))]


def counts(told: DeviceFeed) -> dict[str, int]:
    return {name: n for name, n in told.counts.entry("f").items() if n and name != "fixture"}


def test_records_come_back_as_they_were() -> None:
    for body in (event(), status(), status(T)):
        ((sender, again),) = decode(record(7, body), PLATES)
        assert sender == Sender(1, 7, T + 5 * S)
        assert encode(sender, again) == record(7, body)


def test_the_layout_is_the_documented_one() -> None:
    data = record(7, event(3, 2))
    assert data[:4] == MAGIC + b"\x01"
    assert len(data) == 64 + 2 * 10 + 4
    assert int.from_bytes(data[4:6], "little") == len(data)
    assert int.from_bytes(data[12:16], "little") == 7
    assert int.from_bytes(data[24:28], "little") == 3
    assert len(record(0, status())) == 40 + 25 * PLATES + 4


def test_only_final_reports_are_told_once() -> None:
    told, events = feed(record(0, event(final=False)), record(1, event(revision=1)), record(2, event(revision=2)))
    assert [(e.id, e.revision, e.final) for e in events] == [((1 << 32), 1, True)]
    assert counts(told) == {"records": 3}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 1, 1, 2), {"records": 3, "duplicates": 1}),
        ((0, 2, 1), {"records": 3, "reordered": 1}),
        ((0, 3), {"records": 2, "missing": 2}),
        ((0, 2 * WINDOW, 1), {"records": 2, "missing": 2 * WINDOW - 1, "stale": 1}),
    ],
)
def test_the_numbers_of_the_records(order: tuple[int, ...], expected: dict[str, int]) -> None:
    told, events = feed(*(record(k, event(k)) for k in order))
    assert counts(told) == expected
    assert len(events) == expected["records"]


def test_a_restart_counts_anew_and_gives_up_what_was_open() -> None:
    told, events = feed(
        record(5, event(0, final=False)),
        record(0, event(0), boot=2),
        record(6, event(1), boot=1),
        record(1, event(1), boot=2),
    )
    assert [(e.id >> 32, e.id & 0xFFFFFFFF, e.final) for e in events] == [(1, 0, True), (2, 0, True), (2, 1, True)]
    assert events[0].quality == pytest.approx(0.4)
    assert counts(told) == {"records": 3, "restarts": 1, "stale": 1, "abandoned": 1}


def test_an_event_whose_last_report_is_lost_is_told_at_the_end() -> None:
    told, events = feed(record(0, event(final=False)))
    assert events == []
    (last,) = told.flush()
    assert last.final
    assert last.quality == pytest.approx(0.4)
    assert told.flush() == []
    assert counts(told) == {"records": 1, "abandoned": 1}


def test_damage_is_passed_over() -> None:
    good = record(0, event())
    spoilt = bytearray(record(1, event(1)))
    spoilt[70] ^= 4
    told, events = feed(b"\x00rubbish" + good + bytes(spoilt) + record(2, event(2)) + record(3, event(3))[:-1])
    assert [e.id & 0xFF for e in events] == [0, 2]
    assert counts(told) == {"records": 2, "damaged": 2, "truncated": 1, "missing": 1}


@pytest.mark.parametrize(
    "body",
    [
        replace(event(), start_ns=T + 2, step_ns=T + 1),
        replace(event(), end_ns=T + 9 * S),
        replace(event(), start_ns=-1),
        replace(event(), plates=np.array([2, 1], np.int32)),
        replace(event(), plates=np.array([1, PLATES], np.int32)),
        replace(event(), delta_g=np.array([1.0, np.nan], np.float32)),
        replace(event(), sigma_g=np.array([1.0, 0.0], np.float32)),
        replace(event(), sigma_g=np.array([1.0, np.inf], np.float32)),
        replace(event(), quality=0.0),
        replace(event(), quality=2.0),
        status(plates=PLATES - 1),
        status(T + 6 * S),
    ],
)
def test_what_cannot_be_is_not_used(body: WeightEvent | DeviceStatus) -> None:
    told, events = feed(record(0, body))
    assert events == []
    assert counts(told) == {"implausible": 1}


def test_a_clock_that_is_ahead_is_not_believed() -> None:
    told, events = feed(record(0, event(), now_s=3600.0))
    assert events == []
    assert counts(told) == {"implausible": 1}


def test_nothing_is_final_that_no_status_has_passed() -> None:
    told, _ = feed()
    assert told.open_since_ns is None
    told, _ = feed(record(0, event(), now_s=3.0))
    assert told.open_since_ns == T + 3 * S
    told, _ = feed(record(0, event(), now_s=3.0), record(1, status(), now_s=4.0))
    assert told.open_since_ns == T + 4 * S
    told, _ = feed(record(0, status(T + S), now_s=4.0), record(1, event(final=False)))
    assert told.open_since_ns == T


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([MAGIC, record(0, event()), record(1, status())])).map(b"".join)
)
def test_any_bytes_are_survived(data: bytes) -> None:
    DeviceFeed(PLATES).push(DeviceEvents("f", T, data))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_flipped_bit_gets_through(data: st.DataObject) -> None:
    whole = record(0, event())
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    spoilt = bytearray(whole)
    spoilt[bit // 8] ^= 1 << bit % 8
    assert all(isinstance(found, Damage) for found in decode(bytes(spoilt), PLATES))


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="data must be bytes; got str"):
        DeviceEvents("f", T, "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time_ns must be nanoseconds"):
        DeviceEvents("f", -1, b"")


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3))


def run(simulation: Simulation, observations: list[Observation]) -> Outcome:
    engine = Engine(simulation.store)
    engine.push(observations)
    return engine.finish()


def test_the_engine_takes_events_in_place_of_grams(simulation: Simulation) -> None:
    """The same receipts and interactions, to the bit; of some fixtures or of all."""
    grams = run(simulation, list(simulation.observations))
    names = [f.id for f in simulation.store.fixtures]
    assert grams.receipts
    for chosen in (names, names[:1]):
        told = run(simulation, through_controllers(simulation.store, simulation.observations, *chosen))
        assert told.receipts == grams.receipts
        assert told.interactions == grams.interactions
        assert [d["fixture"] for d in told.health.devices] == chosen
        assert all(d["records"] > 10 and d["damaged"] == 0 for d in told.health.devices)
        assert [p["plate"] for p in told.health.plates] == [p["plate"] for p in grams.health.plates]
        assert [p["samples"] for p in told.health.plates] == [p["samples"] for p in grams.health.plates]
        json.dumps(told.to_dict(), allow_nan=False)


def test_a_fixture_that_sends_both_is_told_of(simulation: Simulation) -> None:
    name = simulation.store.fixtures[0].id
    grams = run(simulation, list(simulation.observations))
    packet = next(o for o in simulation.observations if isinstance(o, ScalePacket) and o.fixture == name)
    stray = DeviceEvents(name, packet.time_ns + S, b"".join(Controller(simulation.store, name).take(packet)))
    told = run(simulation, sorted([*simulation.observations, stray], key=lambda o: o.time_ns))
    assert told.receipts == grams.receipts
    assert [(d["fixture"], d["mixed"], d["records"]) for d in told.health.devices] == [(name, 1, 0)]


def test_damaged_records_cost_what_they_said_and_no_more(simulation: Simulation) -> None:
    name = simulation.store.fixtures[0].id
    observations = through_controllers(simulation.store, simulation.observations, name)
    spoilt = [
        replace(o, data=o.data[:-1]) if isinstance(o, DeviceEvents) and k % 50 == 0 else o
        for k, o in enumerate(observations)
    ]
    (entry,) = run(simulation, spoilt).health.devices
    damaged = sum(isinstance(o, DeviceEvents) for o in observations[::50])
    assert entry["truncated"] == damaged > 0
    assert entry["records"] > 0


def test_a_recording_keeps_them(simulation: Simulation, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from fusion.recordings import open_recording, write_recording

    name = simulation.store.fixtures[0].id
    observations = through_controllers(simulation.store, simulation.observations, name)
    write_recording(tmp_path / "recording", simulation.store, observations)
    again = list(open_recording(tmp_path / "recording"))
    assert [o for o in again if isinstance(o, DeviceEvents)] == [o for o in observations if isinstance(o, DeviceEvents)]
    assert len(again) == len(observations)


def test_the_doctor_hears_a_controller(simulation: Simulation) -> None:
    name = simulation.store.fixtures[0].id
    observations = through_controllers(simulation.store, simulation.observations, name)
    healthy = diagnose(simulation.store, observations)
    assert [f for f in healthy.findings if f.source == name and f.severity != "note"] == []
    spoilt = [replace(o, data=b"x" + o.data[1:]) if isinstance(o, DeviceEvents) else o for o in observations]
    kinds = {(f.subject, f.kind): f for f in diagnose(simulation.store, spoilt).findings if f.source == name}
    assert kinds["controller", "damaged"].measured > 10


def test_unknown_fixtures_are_refused(simulation: Simulation) -> None:
    with pytest.raises(ValueError, match="device events of the unknown fixture 'nowhere'"):
        Engine(simulation.store).push([DeviceEvents("nowhere", T, b"")])
