"""The doctor on clocks, networks, cameras and hostile input: who is to blame is named."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import EngineSettings
from fusion.doctor import Doctor, diagnose
from fusion.findings import ACTIONS
from fusion.observations import GateEvent, ItemScores, Keypoints, Observation, ScalePacket, TagReads, Targets
from sensors import NS, PLATES, START_NS, by_time, found, frames, packets, quiet, store


def test_a_fixture_that_is_silent_or_stops(rng: np.random.Generator) -> None:
    whole, half = packets(quiet(rng)), packets(quiet(rng, 15.0), "2")
    diagnosis = diagnose(store(3), by_time(whole, half, frames()))
    told = found(diagnosis)
    assert {key: f.severity for key, f in told.items()} == {("2", "stopped"): "fault", ("3", "silent"): "fault"}
    assert told["2", "stopped"].measured == pytest.approx(51.0, abs=0.1)
    assert [p["status"] for p in diagnosis.plates[2 * PLATES :]] == [["silent"]] * PLATES


@pytest.mark.parametrize(("every", "severity"), [(140, "note"), (20, "warning")])
def test_lost_packets_are_counted(every: int, severity: str, rng: np.random.Generator) -> None:
    kept = [p for k, p in enumerate(packets(quiet(rng))) if k % every != every - 1]
    told = found(diagnose(store(1), by_time(kept, frames())), notes=True)
    assert {key: f.severity for key, f in told.items()} == {("1", "lost"): severity}
    assert told["1", "lost"].measured == pytest.approx(100 * (330 - len(kept)) / 330, rel=0.1)
    assert f"{330 - len(kept)} packets" in told["1", "lost"].detail


def test_jitter_of_the_stamps_is_no_loss(rng: np.random.Generator) -> None:
    shaken = [
        replace(p, sample_ns=p.sample_ns + round(NS * rng.uniform(-0.025, 0.025)))
        for p in packets(quiet(rng))
        if isinstance(p, ScalePacket)
    ]
    assert diagnose(store(1), by_time(shaken, frames())).findings == ()


def test_a_gap_in_the_readings_and_one_in_the_frames(rng: np.random.Generator) -> None:
    scale = [p for p in packets(quiet(rng)) if not START_NS + 10 * NS < p.time_ns < START_NS + 13 * NS]
    seen = [f for f in frames() if not START_NS + 20 * NS < f.time_ns < START_NS + 22 * NS]
    told = found(diagnose(store(1), by_time(scale, seen)))
    assert told.keys() == {("1", "gap"), ("1", "lost"), ("targets", "gap")}
    assert told["1", "gap"].measured == pytest.approx(3.0, abs=0.25)
    assert told["targets", "gap"].measured == pytest.approx(2.0, abs=0.15)
    assert "once" in told["1", "gap"].detail


def test_frames_that_stop_while_nobody_is_there_are_no_gap(rng: np.random.Generator) -> None:
    gone = [
        replace(f, shoppers=("8",)) if f.time_ns >= START_NS + 20 * NS else f
        for f in frames()
        if isinstance(f, Targets) and not START_NS + 10 * NS < f.time_ns < START_NS + 20 * NS
    ]
    assert diagnose(store(1), by_time(packets(quiet(rng)), gone)).findings == ()


def test_late_and_duplicate_observations_are_counted_where_they_come_from(rng: np.random.Generator) -> None:
    scale = packets(quiet(rng))
    stream = by_time(scale, frames())
    late = [o for o in stream if o is not scale[50] and o is not scale[51]]
    at = late.index(scale[80])
    diagnosis = diagnose(store(1), [*late[:at], scale[50], scale[51], *late[at:], scale[-1], scale[-1]])
    told = found(diagnosis, notes=True)
    assert {key: f.severity for key, f in told.items()} == {
        ("1", "late"): "note",
        ("1", "lost"): "note",
        ("1", "duplicates"): "note",
    }
    entry = diagnosis.streams[0]
    assert (entry["late"], entry["duplicates"], entry["lost"]) == (2, 2, 2)
    assert entry["lag_s"] == pytest.approx(6.0, abs=0.3)
    assert diagnosis.streams[1]["late"] == 0


def test_a_stream_that_is_always_late_is_a_fault(rng: np.random.Generator) -> None:
    behind = packets(quiet(rng), "2", start_s=-60.0)
    order = [o for pair in zip(packets(quiet(rng)), behind, strict=True) for o in pair]
    told = found(diagnose(store(2), [*order, *frames(0.1)]))
    assert told["2", "late"].severity == "fault"
    assert told["2", "late"].measured == 100.0
    assert ("2", "silent") in told
    assert not any(source == "1" for source, _ in told)


def test_a_delay_near_the_lateness_is_noted(rng: np.random.Generator) -> None:
    scale, seen = packets(quiet(rng)), frames()
    arrivals = sorted(
        [*((o.time_ns, o) for o in scale), *((o.time_ns + 29 * NS // 10, o) for o in seen)], key=lambda a: a[0]
    )
    told = found(diagnose(store(1), [o for _, o in arrivals]), notes=True)
    assert told.keys() == {("targets", "lag")}
    assert 2.7 < told["targets", "lag"].measured <= 2.9
    patient = diagnose(store(1), [o for _, o in arrivals], settings=EngineSettings(lateness_s=5.0))
    assert patient.findings == ()


def test_a_clock_that_runs_ahead_is_blamed(rng: np.random.Generator) -> None:
    ahead = packets(quiet(rng), "2", start_s=3600.0)
    order = [o for pair in zip(packets(quiet(rng)), ahead, strict=True) for o in pair]
    diagnosis = diagnose(store(2), [*order, *frames(0.1)])
    told = found(diagnosis)
    assert diagnosis.duration_s < 100.0
    assert ("1", "stopped") not in told
    assert told["2", "clock"].severity == "fault"
    assert told["2", "clock"].measured == pytest.approx(3600.0, abs=1.0)
    assert ("1", "clock") not in told
    assert told["1", "late"].severity == "fault"


def test_a_pause_of_all_sources_is_nobodys_clock(rng: np.random.Generator) -> None:
    stream = [
        o
        for s in (0.0, 600.0)
        for o in by_time(packets(quiet(rng, 15.0), "1", start_s=s), packets(quiet(rng, 15.0), "2", start_s=s))
    ]
    told = found(diagnose(store(2), [*frames(0.1), *stream]))
    assert {kind for _, kind in told} == {"gap", "lost"}


def test_overlapping_senders_and_a_wrong_rate(rng: np.random.Generator) -> None:
    twice = by_time(packets(quiet(rng)), packets(quiet(rng), start_s=0.1))
    assert ("1", "overlap") in found(diagnose(store(1), [*twice, *frames(0.1)]))
    slow = found(diagnose(store(1), by_time(packets(quiet(rng), rate_hz=30.0), frames())))
    assert slow.keys() == {("1", "rate")}
    assert slow["1", "rate"].measured == pytest.approx(50.0)
    right = EngineSettings(rate_hz=30.0)
    assert diagnose(store(1), by_time(packets(quiet(rng), rate_hz=30.0), frames()), settings=right).findings == ()


def test_hands_that_are_seldom_seen(rng: np.random.Generator) -> None:
    told = found(diagnose(store(1), by_time(packets(quiet(rng)), frames(seen=0.3, rng=rng))))
    assert told.keys() == {("targets", "hands")}
    assert told["targets", "hands"].measured == pytest.approx(30.0, abs=6.0)


def test_no_joints_at_all(rng: np.random.Generator) -> None:
    assert found(diagnose(store(1), packets(quiet(rng)))).keys() == {("recording", "no_joints")}


def test_cameras(rng: np.random.Generator) -> None:
    seen = [
        Keypoints(camera, START_NS + round(k / 15 * NS), np.full((1, 8, 2), 10.0), np.ones((1, 8)))
        for k in range(450)
        for camera in ("a", "x")
        if not (camera == "a" and 150 < k < 180)
    ]
    told = found(diagnose(store(1, cameras=("a", "b")), by_time(packets(quiet(rng)), seen)))
    assert {key: f.severity for key, f in told.items()} == {
        ("a", "gap"): "warning",
        ("b", "silent"): "fault",
        ("x", "unknown_camera"): "warning",
    }


def test_packets_that_do_not_fit_the_store(rng: np.random.Generator) -> None:
    odd = [
        ScalePacket("nobody", np.array([START_NS]), np.zeros((1, PLATES), np.float32)),
        ScalePacket("1", np.array([START_NS]), np.zeros((1, PLATES + 1), np.float32)),
    ]
    told = found(diagnose(store(1), by_time(packets(quiet(rng)), frames(), odd)))
    assert {key: f.severity for key, f in told.items()} == {
        ("nobody", "misfit"): "fault",
        ("nobody", "silent"): "fault",
        ("1", "misfit"): "fault",
    }


def test_no_observation_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="observations must be of the types"):
        Doctor(store()).push("grams")  # type: ignore[arg-type]


EXTREME_NS = st.one_of(
    st.integers(0, 2**63 - 1), st.integers(START_NS, START_NS + 20 * NS), st.sampled_from([0, 2**63 - 1])
)
WIDE = st.sampled_from([0.0, 1000.0, np.nan, np.inf, -np.inf, 3e38, -1e-40])


@st.composite
def hostile(draw: st.DrawFn) -> Observation:
    time_ns = draw(EXTREME_NS)
    match draw(st.integers(0, 5)):
        case 0:
            n = draw(st.integers(1, 30))
            grams = np.full((n, draw(st.sampled_from([1, PLATES]))), draw(WIDE), np.float32)
            return ScalePacket(draw(st.sampled_from("123")), draw(st.lists(EXTREME_NS, min_size=n, max_size=n)), grams)  # type: ignore[arg-type]
        case 1:
            names = draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True))
            return Targets(time_ns, tuple(names), np.full((len(names), 8, 3), draw(WIDE)), np.ones((len(names), 8)))
        case 2:
            return Keypoints(draw(st.sampled_from("xy")), time_ns, np.full((2, 8, 2), draw(WIDE)), np.ones((2, 8)))
        case 3:
            return GateEvent(time_ns, "7", "enter")
        case 4:
            return TagReads(time_ns, "[red]", ())
    return ItemScores(time_ns, ("soap",), np.array([0.5]), shopper="7")


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile(), max_size=25))
def test_anything_gets_a_diagnosis(observations: list[Observation]) -> None:
    diagnosis = diagnose(store(2, cameras=("x",)), observations)
    document = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert document["format"] == "fusion.doctor/1"
    assert document["observations"] == len(observations)
    assert sum(s["observations"] for s in document["streams"]) == len(observations)
    assert {f["kind"] for f in document["findings"]} <= ACTIONS.keys()
    assert document["findings"] == sorted(
        document["findings"], key=lambda f: ["fault", "warning", "note"].index(f["severity"])
    )
    assert diagnosis == diagnose(store(2, cameras=("x",)), observations)
