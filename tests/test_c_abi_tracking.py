"""The C ABI of matching and tracking: the persons of the engine, statuses for what is wrong."""

import ctypes as c
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c_library import BODY, STATUS, TRACK, People, TrackerSettings, aligned, call, library, scratch
from fusion import Camera, Keypoints, Tracker, match_persons
from fusion.matching import camera_blocks
from people import FIRST_NS, bodies, ceiling, pictures, scattered


def world(cameras: list[Camera]) -> NDArray[np.float64]:
    """The cameras as the engine's matching has them: rows of numbers, centres in the world."""
    blocks, centres = camera_blocks(cameras)
    rows = np.array(list(blocks.values()))
    rows[:, 9:12] = centres
    return rows


def crowd(rng: np.random.Generator, cameras: list[Camera]) -> list[Keypoints]:
    """Two seconds of three people who walk, and of noise that nobody made."""
    found = []
    for time_s in np.arange(0, 2, 1 / 15):
        joints = bodies([[-1 + time_s, 0.3], [1 - time_s, -0.4], [0.5, 1.5 - 0.5 * time_s]])
        for i, camera in enumerate(cameras):
            time_ns = FIRST_NS + round((time_s + i * 0.01) * 1e9)
            found += pictures(rng, [camera], joints, 4.0, 0.1, time_ns)[0]
    return sorted(found, key=lambda k: (k.time_ns, k.camera))


class Follower:
    """A tracker through the C ABI."""

    def __init__(self, cameras: list[Camera], **changes: Any) -> None:
        self.lib, self.settings = library(), TrackerSettings()
        assert call(self.lib, "tracker_defaults", c.byref(self.settings), len(cameras)) == 0
        for name, value in changes.items():
            setattr(self.settings, name, value)
        sizes = c.c_size_t(), c.c_size_t()
        assert call(self.lib, "tracker_size", c.byref(self.settings), *map(c.byref, sizes)) == 0
        self.state, self.size = aligned(sizes[0].value), sizes[0]
        self.scratch = aligned(sizes[1].value), sizes[1]
        self.index = {camera.id: i for i, camera in enumerate(cameras)}
        assert call(self.lib, "tracker_init", self.state, self.size, c.byref(self.settings), world(cameras)) == 0

    def step(self, camera: int, time_ns: int, px: Any, sigma: Any) -> tuple[int, Any, Any]:
        track, doubt = np.empty(len(px), np.int64), np.empty(len(px))
        given = (camera, c.c_int64(time_ns), px, sigma, len(px), track, doubt, *self.scratch)
        return call(self.lib, "tracker_step", self.state, *given), track, doubt

    def read(self, room: int = 64) -> tuple[int, Any]:
        tracks, count = np.empty(room, TRACK), c.c_int32(-1)
        status = call(self.lib, "tracker_read", self.state, tracks, room, c.byref(count))
        return status, tracks[: count.value]


def test_tracks_are_those_of_the_engine(rng: np.random.Generator) -> None:
    cameras = ceiling(4, (-0.28, 0.09, 0.0005, -0.0004))
    keypoints = crowd(rng, cameras)
    engine, follower = Tracker(cameras), Follower(cameras)
    frames = engine.push(keypoints) + engine.flush()
    told = 0
    for frame, picture in zip(frames, keypoints, strict=True):
        assert (frame.time_ns, frame.camera) == (picture.time_ns, picture.camera)
        camera = follower.index[picture.camera]
        status, track, doubt = follower.step(camera, picture.time_ns, picture.px, picture.sigma_px)
        assert status == 0
        np.testing.assert_array_equal(track, frame.detections)
        np.testing.assert_allclose(doubt, frame.doubt, rtol=1e-12)
        status, tracks = follower.read()
        assert status == 0
        np.testing.assert_array_equal(tracks["id"], frame.ids)
        for name in ("joints_m", "covariance_m2", "velocity_m_s", "seen_ns"):
            np.testing.assert_array_equal(tracks[name], getattr(frame, name))
        np.testing.assert_allclose(tracks["ambiguity"], frame.ambiguity, rtol=1e-12)
        told += len(tracks)
    assert told > 200


def match(
    cameras: list[Camera], keypoints: list[Keypoints], pairs: int | None = None, /, **given: Any
) -> tuple[Any, ...]:
    lib, rows = library(), world(cameras)
    px, sigma = (np.concatenate([getattr(k, name) for k in keypoints]) for name in ("px", "sigma_px"))
    n = len(px)
    names = [camera.id for camera in cameras]
    index = np.array([names.index(k.camera) for k in keypoints for _ in k.px], np.int32)
    pairs = n * (n - 1) // 2 if pairs is None else pairs
    people, found = People(), c.c_int32(-1)
    assert call(lib, "people_defaults", c.byref(people)) == 0
    person, ambiguity, told = np.empty(n, np.int32), np.empty(n), np.empty(n, BODY)
    memory, size = scratch(lib, "match", n, len(cameras), c.c_int64(pairs))
    arguments = {"cameras": rows, "count": len(cameras), "px": px, "sigma": sigma, "camera": index}
    arguments |= {"motion": np.zeros(n), "n": n, "pairs": c.c_int64(pairs), "people": c.byref(people)}
    arguments |= {"person": person, "ambiguity": ambiguity, "bodies": told, "found": c.byref(found)}
    arguments |= {"memory": memory, "size": size} | given
    return call(lib, "match", *arguments.values()), person, ambiguity, told[: max(found.value, 0)]


def test_persons_are_those_of_the_engine(rng: np.random.Generator) -> None:
    cameras = ceiling(5)
    keypoints = pictures(rng, cameras, scattered(rng, 6, 2.0), 3.0, 0.05)[0]
    status, person, ambiguity, found = match(cameras, keypoints)
    expected = match_persons(cameras, keypoints)
    assert status == 0
    assert len(found) == 6
    np.testing.assert_array_equal(person, np.concatenate(expected.persons))
    np.testing.assert_allclose(ambiguity, np.concatenate(expected.ambiguity), rtol=1e-12)
    np.testing.assert_array_equal(found["joints_m"], expected.joints_m)
    np.testing.assert_array_equal(found["covariance_m2"], expected.covariance_m2)


def test_too_few_pairs_and_bad_arguments_are_told(rng: np.random.Generator) -> None:
    cameras = ceiling(3)
    keypoints = pictures(rng, cameras, scattered(rng, 4, 2.0), 3.0, 0.0)[0]
    assert match(cameras, keypoints, 2)[0] == STATUS["NO_ROOM"]
    bad = [{name: None} for name in ("cameras", "px", "sigma", "camera", "motion", "people", "person", "found")]
    bad += [{"n": -1}, {"n": 4097}, {"count": 0}, {"count": 2}, {"pairs": c.c_int64(-1)}, {"memory": None}]
    bad += [{"camera": np.full(12, 3, np.int32)}, {"motion": np.full(12, np.nan)}, {"motion": np.full(12, -1.0)}]
    bad += [{"people": c.byref(People(0.0, 0.0, 1.0))}, {"people": c.byref(People(np.nan, 2.0, 1.0))}]
    for change in bad:
        assert match(cameras, keypoints, **change)[0] == STATUS["BAD_ARGUMENT"], change
    assert match(cameras, keypoints, size=c.c_size_t(64))[0] == STATUS["NO_ROOM"]


def test_what_a_tracker_cannot_take_is_refused(rng: np.random.Generator) -> None:
    cameras = ceiling(3)
    follower = Follower(cameras, crowd=1)
    px, sigma = np.zeros((5, 8, 2)), np.ones((5, 8))
    assert follower.step(0, FIRST_NS, px[:4], sigma[:4])[0] == 0
    assert follower.step(0, FIRST_NS, px, sigma)[0] == STATUS["NO_ROOM"]
    assert follower.step(1, FIRST_NS - 1, px[:1], sigma[:1])[0] == STATUS["BAD_TIME"]
    for camera in (-1, 3):
        assert follower.step(camera, FIRST_NS, px[:1], sigma[:1])[0] == STATUS["BAD_ARGUMENT"]
    follower.scratch = follower.scratch[0], c.c_size_t(follower.scratch[1].value - 1)
    assert follower.step(0, FIRST_NS, px[:1], sigma[:1])[0] == STATUS["NO_ROOM"]
    follower.state[:4] = 0
    assert follower.step(0, FIRST_NS, px[:1], sigma[:1])[0] == follower.read()[0] == STATUS["BAD_STATE"]


def test_more_tracks_than_room_are_told(rng: np.random.Generator) -> None:
    cameras = ceiling(4)
    follower = Follower(cameras)
    for picture in crowd(rng, cameras)[:60]:
        follower.step(follower.index[picture.camera], picture.time_ns, picture.px, picture.sigma_px)
    status, tracks = follower.read(1)
    assert status == STATUS["NO_ROOM"]
    assert len(follower.read(len(tracks) + 2)[1]) == 3
    refused = c.c_int64(-1)
    assert call(library(), "tracker_refused", follower.state, c.byref(refused)) == 0
    assert refused.value == 0


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("abi", 0, "ABI_MISMATCH"),
        ("cameras", 0, "BAD_ARGUMENT"),
        ("crowd", 0, "BAD_ARGUMENT"),
        ("crowd", 1025, "BAD_ARGUMENT"),
        ("reserved", 1, "BAD_ARGUMENT"),
        ("lost_s", np.nan, "BAD_ARGUMENT"),
        ("doubtful", 1.5, "BAD_ARGUMENT"),
        ("people", People(0.0, -1.0, 1.0), "BAD_ARGUMENT"),
    ],
)
def test_bad_settings_are_refused(field: str, value: Any, status: str) -> None:
    known, sizes = TrackerSettings(), (c.c_size_t(), c.c_size_t())
    assert call(library(), "tracker_defaults", c.byref(known), 2) == 0
    setattr(known, field, value)
    assert call(library(), "tracker_size", c.byref(known), *map(c.byref, sizes)) == STATUS[status]
    state = aligned(4096)
    given = (state, c.c_size_t(4096), c.byref(known), world(ceiling(2)))
    assert call(library(), "tracker_init", *given) == STATUS[status]
