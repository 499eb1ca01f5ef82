"""Tracking: identities through crossings, occlusion and hand-over; covariance; hostile input; backends; real people."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Camera, Keypoints, Tracker, TrackingSettings, Tracks, project, triangulate
from people import FIRST_NS, bodies, ceiling, pictures, scattered

SECOND = 1_000_000_000
PATHS = {
    "crossing": lambda t: [[-1.5 + t, -0.3], [1.5 - t, 0.3]],
    "meeting and turning back": lambda t: [[-0.3 - abs(t - 1.5), 0.0], [0.3 + abs(t - 1.5), 0.0]],
    "side by side": lambda t: [[-1.5 + t, -0.25], [-1.5 + t, 0.25]],
}


def walk(
    rng: np.random.Generator,
    cameras: list[Camera],
    places: object,
    seconds: float = 3.0,
    sigma_px: float = 5.0,
    rate_hz: float = 15.0,
) -> list[Keypoints]:
    """Pictures of people whose places (P, 2) are a function of time; each camera has a phase of its own."""
    found = []
    for camera, phase in zip(cameras, rng.uniform(0, 1 / rate_hz, len(cameras)), strict=True):
        for t in np.arange(phase, seconds, 1 / rate_hz):
            joints = bodies(places(t))  # type: ignore[operator]
            time_ns = FIRST_NS + round(t * 1e9)
            found += pictures(rng, [camera], joints, sigma_px, 0.03, time_ns)[0]
    return sorted(found, key=lambda k: (k.time_ns, k.camera))


def run(cameras: list[Camera], keypoints: list[Keypoints], settings: TrackingSettings | None = None) -> list[Tracks]:
    tracker = Tracker(cameras, settings)
    return tracker.push(keypoints) + tracker.flush()


def identity(frame: Tracks, place: NDArray[np.float64] | list[float], within_m: float = 0.3) -> int:
    """Id of the track whose neck is nearest to a place."""
    distance = np.linalg.norm(frame.joints_m[:, 1, :2] - place, axis=1)
    assert distance.min() < within_m
    return int(frame.ids[distance.argmin()])


def told(frames: list[Tracks], names: tuple[str, ...] = ()) -> list[tuple[object, ...]]:
    return [tuple(getattr(f, n.name) for n in fields(f) if (n.name in names or not names)) for f in frames]


EXACT = ("time_ns", "camera", "ids", "joints_m", "covariance_m2", "velocity_m_s", "seen_ns", "detections")


class TestIdentity:
    @pytest.mark.parametrize("name", PATHS)
    @pytest.mark.parametrize("count", [3, 8])
    def test_two_people_keep_their_ids(self, name: str, count: int, rng: np.random.Generator) -> None:
        cameras, path = ceiling(count), PATHS[name]
        frames = run(cameras, walk(rng, cameras, path))
        t = [(f.time_ns - FIRST_NS) / 1e9 for f in frames]
        first = next(i for i in range(len(frames)) if len(frames[i].ids) == 2)
        assert t[first] < 0.6
        owner = [identity(frames[first], p) for p in path(t[first])]
        assert len(set(owner)) == 2
        for frame, at in zip(frames[first:], t[first:], strict=True):
            assert [identity(frame, p) for p in path(at)] == owner

    def test_a_person_nobody_sees_for_a_second_keeps_the_id(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        keypoints = walk(rng, cameras, lambda t: [[-1.5 + t, 0.0]])
        unseen = [k for k in keypoints if not 1.0 < (k.time_ns - FIRST_NS) / 1e9 < 2.0]
        frames = run(cameras, unseen)
        assert {int(i) for f in frames for i in f.ids} == {0}
        assert len(frames[-1].ids) == 1

    def test_the_id_is_handed_over_between_cameras(self, rng: np.random.Generator) -> None:
        """Two pairs of cameras, one looking at the left, one at the right, and nothing in common."""
        cameras = ceiling(4)
        keypoints = walk(rng, cameras, lambda t: [[-1.5 + t, 0.0]])
        left = [c.id for c in cameras[:2]]
        seen = [k for k in keypoints if (k.camera in left) == ((k.time_ns - FIRST_NS) / 1e9 < 1.5)]
        frames = run(cameras, seen)
        assert {int(i) for f in frames for i in f.ids} == {0}
        assert identity(frames[-1], [1.5, 0.0]) == 0

    def test_one_camera_keeps_what_two_have_begun(self, rng: np.random.Generator) -> None:
        """Depth drifts without a second camera, but in the picture everybody stays who he was."""
        cameras = ceiling(4)
        path = lambda t: [[-0.5, -0.8 + 0.5 * t], [0.8, 0.5]]  # noqa: E731
        keypoints = walk(rng, cameras, path)
        frames = run(cameras, [k for k in keypoints if k.time_ns < FIRST_NS + SECOND or k.camera == "c0"])
        begun = next(f for f in frames if f.time_ns > FIRST_NS + 0.9 * SECOND)
        owner = [identity(begun, p) for p in path(0.9)]
        last = frames[-1]
        told_px = project(cameras[:1], last.joints_m[:, 1])[:, 0]
        true_px = project(cameras[:1], bodies(path((last.time_ns - FIRST_NS) / 1e9))[:, 1])[:, 0]
        distance_px = np.linalg.norm(told_px[None] - true_px[:, None], axis=2)
        assert [int(last.ids[i]) for i in distance_px.argmin(1)] == owner
        assert distance_px.min(1).max() < 15

    def test_people_come_and_go(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        keypoints = walk(rng, cameras, lambda t: [[0.0, 0.0]] if not 1 < t < 2 else [[0.0, 0.0], [1.5, 1.0]], 3.5)
        frames = run(cameras, keypoints)
        count = {round((f.time_ns - FIRST_NS) / 1e8): len(f.ids) for f in frames}
        assert (count[9], count[15], count[30]) == (1, 2, 1)
        assert {int(i) for f in frames for i in f.ids} == {0, 1}
        back = [Keypoints(k.camera, k.time_ns + 10 * SECOND, k.px, k.sigma_px) for k in keypoints]
        assert {int(i) for f in run(cameras, keypoints + back)[-10:] for i in f.ids} == {
            2
        }  # whoever comes later is new

    def test_what_one_camera_imagines_is_nobody(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        keypoints = walk(rng, cameras, lambda t: [[0.0, 0.0]])
        aside = np.array([[[0, 0]], [[300, 90]]])
        ghosts = [
            Keypoints(k.camera, k.time_ns, k.px + aside, np.repeat(k.sigma_px, 2, 0)) if k.camera == "c0" else k
            for k in keypoints
        ]
        assert {int(i) for f in run(cameras, ghosts) for i in f.ids} == {0}


class TestStatistics:
    def test_covariances_are_honest_and_the_filter_gains(self, rng: np.random.Generator) -> None:
        cameras, nees, error = ceiling(8), [], []
        keypoints = walk(rng, cameras, lambda t: [[-1.5 + t, 0.2 * t], [0.5, 1.0]], 3.0, 8.0)
        for f in run(cameras, keypoints)[60:]:
            truth = bodies([[-1.5 + (f.time_ns - FIRST_NS) / 1e9, 0.2 * (f.time_ns - FIRST_NS) / 1e9], [0.5, 1.0]])
            for joints, covariance in zip(f.joints_m, f.covariance_m2, strict=True):
                e = joints - truth[np.linalg.norm(truth[:, 1] - joints[1], axis=1).argmin()]
                nees.append(np.einsum("ji,jik,jk->j", e, np.linalg.inv(covariance), e))
                error.append(e[:4])
        assert 1.5 < np.mean(nees) < 3.5
        at_once = triangulate(cameras, project(cameras, bodies([[0, 0]])[0]), 8.0).covariance_m2
        assert np.mean(np.square(error)) * 3 < np.trace(at_once, axis1=1, axis2=2)[:4].mean()

    def test_velocities_are_those_of_the_walk(self, rng: np.random.Generator) -> None:
        cameras = ceiling(8)
        last = run(cameras, walk(rng, cameras, lambda t: [[-1.5 + t, 0.0]]))[-1]
        np.testing.assert_allclose(last.velocity_m_s[0, :4].mean(0), [1, 0, 0], atol=0.15)

    def test_ambiguity_is_low_apart_and_rises_where_two_are_one_in_the_picture(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        apart = run(cameras, walk(rng, cameras, lambda t: [[-1.0, 0.0], [1.0, 0.5]]))
        assert apart[-1].ambiguity.max() < 0.02
        one = cameras[0]
        behind = [[0.0, 0.0], [-0.7, 0.0]]  # on the line of sight of the first camera
        frames = run(cameras, walk(rng, cameras, lambda t: behind, 3.0, 15.0))
        doubts = {c.id: np.mean([f.doubt.max() for f in frames[30:] if f.camera == c.id]) for c in cameras}
        assert doubts[one.id] > 2 * doubts[cameras[1].id] or doubts[one.id] > 0.01

    def test_targets_are_what_the_engine_takes(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        frame = run(cameras, walk(rng, cameras, lambda t: [[0.0, 0.0]], 1.0))[-1]
        targets = frame.targets()
        assert targets.shoppers == ("0",)
        np.testing.assert_array_equal(targets.joints_m, frame.joints_m)
        assert (targets.scores > 0.9).all()


class TestOrder:
    def test_cuts_and_order_change_nothing(self, rng: np.random.Generator) -> None:
        cameras = ceiling(3)
        keypoints = walk(rng, cameras, PATHS["crossing"], 1.5)
        whole = told(run(cameras, keypoints))
        tracker = Tracker(cameras)
        found, mixed = [], list(keypoints)
        for i in range(0, len(mixed) - 4, 4):  # neighbours trade places, all within the lateness
            mixed[i : i + 4] = [mixed[i + k] for k in rng.permutation(4)]
        for k in mixed:
            found += tracker.push([k])
        found += tracker.flush()
        for a, b in zip(told(found), whole, strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)

    def test_late_and_repeated_pictures_are_counted(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        keypoints = walk(rng, cameras, lambda t: [[0.0, 0.0]], 1.0)
        tracker = Tracker(cameras)
        frames = tracker.push([*keypoints, keypoints[-1], keypoints[0]]) + tracker.flush()
        assert len(frames) == len(keypoints)
        assert (tracker.health.late, tracker.health.duplicates) == (1, 1)
        tracker.push([keypoints[-1]])
        assert sum(tracker.health[:2]) == 3

    def test_time_may_stand_still_or_leap(self, rng: np.random.Generator) -> None:
        cameras = ceiling(3)
        keypoints = walk(rng, cameras, lambda t: [[0.0, 0.0]], 0.6)
        same = [Keypoints(k.camera, FIRST_NS, k.px, k.sigma_px) for k in keypoints]
        far = [Keypoints(k.camera, 2**63 - 1, k.px, k.sigma_px) for k in keypoints[:3]]
        frames = run(cameras, [*same, *far])
        assert np.isfinite(np.concatenate([f.covariance_m2.ravel() for f in frames])).all()


class TestRoom:
    def test_more_people_than_room_are_counted(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        keypoints = walk(rng, cameras, lambda t: [[-1.5, 0], [0, 0], [1.5, 0], [0, 1.5]], 1.0)
        tracker = Tracker(cameras, TrackingSettings(crowd=2))
        frames = tracker.push(keypoints) + tracker.flush()
        assert max(len(f.ids) for f in frames) == 2
        assert tracker.health.refused > 0

    def test_a_picture_full_of_people_is_cut_and_counted(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        many = Keypoints("c0", FIRST_NS, rng.uniform(0, 1000, (500, 8, 2)), np.ones((500, 8)))
        tracker = Tracker(cameras, TrackingSettings(crowd=4))
        (frame,) = tracker.push([many]) + tracker.flush()
        assert frame.detections.shape == (500,)
        assert tracker.health.refused >= 484


class TestBackends:
    def test_a_crowd_on_every_backend(self, rng: np.random.Generator) -> None:
        cameras = ceiling(3)
        keypoints = walk(
            rng, cameras, lambda t: [[-0.6 + t, -0.2], [0.6 - t, 0.2], [0, 1.5]][: 3 if t > 0.6 else 2], 1.2
        )
        agree(lambda: told(run(cameras, keypoints), EXACT))
        agree(lambda: [f.ambiguity for f in run(cameras, keypoints)], rtol=1e-9)

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_hostile_numbers(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        cameras = ceiling(3)
        odd = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 0.0, -0.0, 960.0, 1e9]
        spoiled = []
        for k in walk(rng, cameras, lambda t: [[0.0, 0.0], [1.0, 0.5]], 0.6):
            px, sigma = k.px.copy(), k.sigma_px.copy()
            px[rng.random(px.shape) < 0.1] = rng.choice(odd)
            sigma[rng.random(sigma.shape) < 0.1] = rng.choice(odd)
            spoiled.append(Keypoints(k.camera, k.time_ns, px, sigma))
        agree(lambda: told(run(cameras, spoiled), EXACT))
        for f in run(cameras, spoiled):
            assert ((f.doubt >= 0) & (f.doubt <= 1)).all()
            assert np.isfinite(f.covariance_m2).all()
            assert (np.linalg.eigvalsh(f.covariance_m2) > 0).all()

    def test_the_sharpest_and_the_dullest_images_keep_covariances_definite(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        keypoints = [
            Keypoints(k.camera, k.time_ns, k.px, np.full(k.sigma_px.shape, 10.0 ** (i % 9 - 3)))
            for i, k in enumerate(walk(rng, cameras, lambda t: [[0.0, 0.0]], 3.0, 0.1))
        ]
        for f in run(cameras, keypoints):
            assert (np.linalg.eigvalsh(f.covariance_m2) > 0).all()

    def test_absurd_cameras_and_nobody(self, rng: np.random.Generator) -> None:
        far = Camera("far", np.diag([1e300, 1e300, 1.0]), np.eye(3), np.full(3, 1e308))
        cameras = [*ceiling(2), far]
        some = Keypoints("far", FIRST_NS, np.zeros((2, 8, 2)), np.ones((2, 8)))
        none = Keypoints("c0", FIRST_NS, np.zeros((0, 8, 2)), np.zeros((0, 8)))
        near, _ = pictures(rng, cameras[:2], scattered(rng, 2, 1.0), 1.0)
        agree(lambda: told(run(cameras, [some, none, *near]), EXACT))


class TestArguments:
    def test_an_unknown_camera_takes_nothing_in(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        tracker = Tracker(cameras)
        keypoints = walk(rng, ceiling(3), lambda t: [[0.0, 0.0]], 0.3)
        with pytest.raises(ValueError, match="c2"):
            tracker.push(keypoints)
        assert tracker.flush() == []

    @pytest.mark.parametrize("value", [3, ["a"], "ab"])
    def test_wrong_types(self, value: object) -> None:
        with pytest.raises(TypeError):
            Tracker(value)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            Tracker(ceiling(1)).push(value)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="settings"):
            Tracker(ceiling(1), value)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="crowd"):
            Tracker(ceiling(1), TrackingSettings(crowd=str(value)))  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", [n for n in TrackingSettings._fields if n != "people"])
    def test_settings_out_of_bounds(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            Tracker(ceiling(1), TrackingSettings()._replace(**{name: -1}))

    def test_the_native_module_refuses_wrong_arrays(self) -> None:
        native = pytest.importorskip("fusion.native.tracking")
        ints = np.int64
        crowd = [np.zeros((2, 27, 8)), np.zeros((2, 5), ints), np.zeros(2), np.zeros((4, 10, 8)), np.zeros(4, np.int32)]
        counts, seen = np.zeros(5, ints), np.zeros((1, 10, 8))
        rest = [np.zeros((1, 3)), np.ones(11), np.zeros(1, ints), np.zeros(1)]
        native.step(*crowd, np.zeros(4, ints), counts, seen, 0, 5, *rest)
        with pytest.raises(ValueError, match="out of range"):
            native.step(*crowd, np.zeros(4, ints), counts, seen, 1, 5, *rest)
        with pytest.raises(ValueError, match="out of range"):
            native.step(*crowd, np.zeros(4, ints), np.array([3, 0, 0, 0, 0]), seen, 0, 5, *rest)
        with pytest.raises(ValueError, match="left_ns"):
            native.step(*crowd, np.zeros(3, ints), counts, seen, 0, 5, *rest)


class TestRealPeople:
    def test_two_people_and_a_bystander(self, data: Path) -> None:
        """Two tracks, no identity switched in 100 frames; at the bystander only two cameras look, and nobody is mixed up.

        Asked to believe two cameras, the tracker tells the bystander as a third person.
        """
        order = [18, 17, 5, 6, 7, 8, 9, 10]  # of BODY_25B
        with np.load(data / "multiview" / "pose2sim_2person_4cam.npz") as f:
            cameras = [
                Camera(str(n), K, R, t, D)
                for n, K, R, t, D in zip(f["names"], f["K"], f["R"], f["t"], f["D"], strict=True)
            ]
            kpts, count = f["two_kpts"][..., order, :], f["two_n"]
        keypoints = []
        for t in range(100):
            for c, camera in enumerate(cameras):
                k = kpts[t, c, : count[t, c]]
                px = np.where(k[..., 2:] < 0.3, np.nan, k[..., :2])
                keypoints.append(Keypoints(camera.id, FIRST_NS + t * SECOND // 60, px, np.full(px.shape[:2], 10.0)))
        frames = run(cameras, keypoints, TrackingSettings(views=2))
        assert {int(i) for f in frames for i in f.ids} == {0, 1, 2}
        last = frames[-1]
        necks = {int(i): j for i, j in zip(last.ids, last.joints_m[:, 1], strict=True)}
        bystander = min(necks, key=lambda i: float(necks[i][0]))
        for f in frames[80:]:
            assert sorted(f.ids) == [0, 1, 2]
            at = {int(i): j for i, j in zip(f.ids, f.joints_m[:, 1], strict=True)}
            assert np.linalg.norm(at[bystander] - necks[bystander]) < 0.3  # the bystander does not move
            if f.camera in (cameras[2].id, cameras[3].id):
                assert bystander not in f.detections
        alone = run(cameras, keypoints)
        assert {int(i) for f in alone for i in f.ids} == {0, 1, 2} - {bystander}
        for f, all_ in zip(alone[80:], frames[80:], strict=True):
            assert f.ids.tolist() == [i for i in all_.ids.tolist() if i != bystander]
            np.testing.assert_array_equal(f.detections, all_.detections)
