"""Matching across cameras: who is who, degenerate and hostile input, backends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Camera, Keypoints, Matches, PeopleSettings, match_persons, triangulate
from people import FIRST_NS, bodies, ceiling, pair_f1, pictures, scattered

LENS = (-0.28, 0.09, 0.0005, -0.0004, -0.01)


def bits(m: Matches) -> tuple[object, ...]:
    return m.persons, m.joints_m, m.covariance_m2


def same(cameras: list[Camera], keypoints: list[Keypoints], people: PeopleSettings | None = None) -> Matches:
    """Match on every backend: equal bits, and doubts that agree to rounding."""
    agree(lambda: bits(match_persons(cameras, keypoints, people)))
    agree(lambda: match_persons(cameras, keypoints, people).ambiguity, rtol=1e-12)
    return match_persons(cameras, keypoints, people)


class TestWhoIsWho:
    @pytest.mark.parametrize(("sigma_px", "missing", "f1"), [(3.0, 0.0, 0.995), (11.0, 0.1, 0.97)])
    def test_a_crowd_of_twenty(self, sigma_px: float, missing: float, f1: float, rng: np.random.Generator) -> None:
        cameras, found = ceiling(8, LENS), []
        for _ in range(10):
            keypoints, who = pictures(rng, cameras, scattered(rng, 20, 3.0), sigma_px, missing)
            found.append(pair_f1(match_persons(cameras, keypoints).persons, who))
        assert np.mean(found) >= f1

    def test_joints_and_covariance_are_those_of_the_images(self, rng: np.random.Generator) -> None:
        cameras, error, nees, rival = ceiling(4), [], [], []
        for _ in range(100):
            joints = scattered(rng, 3, 2.0)
            keypoints, who = pictures(rng, cameras, joints, 3.0)
            m = match_persons(cameras, keypoints)
            of = [int(who[0][np.flatnonzero(m.persons[0] == p)[0]]) for p in range(3)]
            e = m.joints_m - joints[of]
            error.append(e)
            nees.append(np.einsum("pji,pjik,pjk->pj", e, np.linalg.inv(m.covariance_m2), e))
            px = np.stack([k.px[np.argsort(w)][of] for k, w in zip(keypoints, who, strict=True)], axis=2)
            rival.append(triangulate(cameras, px.reshape(-1, 4, 2), 3.0).xyz_m.reshape(3, 8, 3) - joints[of])
        assert np.mean(nees) == pytest.approx(3, abs=0.2)
        assert np.sqrt(np.mean(np.square(error))) < 1.05 * np.sqrt(np.mean(np.square(rival)))

    def test_order_of_cameras_and_detections_does_not_matter(self, rng: np.random.Generator) -> None:
        cameras, joints = ceiling(5), scattered(rng, 5, 1.5)
        keypoints, who = pictures(rng, cameras, joints, 8.0)
        for _ in range(5):
            turn = rng.permutation(5)
            m = match_persons([cameras[i] for i in rng.permutation(5)], [keypoints[i] for i in turn])
            assert pair_f1(m.persons, [who[i] for i in turn]) == 1

    def test_what_one_camera_alone_sees_is_nobody(self, rng: np.random.Generator) -> None:
        keypoints, _ = pictures(rng, ceiling(1), scattered(rng, 4, 2.0), 1.0)
        m = same(ceiling(1), keypoints)
        assert (m.persons[0] == -1).all()
        assert m.joints_m.shape == (0, 8, 3)

    def test_two_cameras_suffice(self, rng: np.random.Generator) -> None:
        cameras = ceiling(8)[::3][:2]
        keypoints, who = pictures(rng, cameras, bodies([[0, 0], [1, 1.5], [-1, 0.5]]), 2.0)
        assert pair_f1(match_persons(cameras, keypoints).persons, who) == 1

    def test_no_two_detections_of_one_picture_are_one_person(self, rng: np.random.Generator) -> None:
        cameras = ceiling(6)
        keypoints, _ = pictures(rng, cameras, scattered(rng, 12, 0.9), 15.0, 0.3)
        for person in match_persons(cameras, keypoints).persons:
            told = person[person >= 0]
            assert len(np.unique(told)) == len(told)

    def test_heights_forbid_what_the_rays_allow(self, rng: np.random.Generator) -> None:
        cameras, joints = ceiling(4), bodies([[0, 0]])
        keypoints, _ = pictures(rng, cameras, joints, 1.0)
        assert len(match_persons(cameras, keypoints).joints_m) == 1
        assert len(match_persons(cameras, keypoints, PeopleSettings(highest_m=0.5)).joints_m) == 0
        assert len(match_persons(cameras, keypoints, PeopleSettings(reach_m=0.05)).joints_m) == 0

    def test_people_may_walk_between_two_pictures(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        first, _ = pictures(rng, cameras[:2], bodies([[0, 0]]), 1.0)
        later, _ = pictures(rng, cameras[2:], bodies([[0.15, 0]]), 1.0, time_ns=FIRST_NS + 100_000_000)
        assert [p.tolist() for p in match_persons(cameras, first + later).persons] == [[0]] * 4
        still = PeopleSettings(walking_m_s=0.0)
        assert len({int(p[0]) for p in match_persons(cameras, first + later, still).persons}) == 2


class TestAmbiguity:
    def test_a_clear_match_is_clear_and_twins_are_not(self, rng: np.random.Generator) -> None:
        cameras = ceiling(4)
        apart, _ = pictures(rng, cameras, bodies([[-1, 0], [1, 0]]), 2.0)
        assert max(a.max() for a in match_persons(cameras, apart).ambiguity) < 0.05
        one, _ = pictures(rng, cameras, bodies([[0, 0]]), 2.0)
        doubled = [Keypoints(k.camera, k.time_ns, np.repeat(k.px, 2, 0), np.repeat(k.sigma_px, 2, 0)) for k in one]
        m = same(cameras, doubled)
        told = np.concatenate(m.ambiguity)[np.concatenate(m.persons) >= 0]
        assert told.min() >= 0.5 - 1e-9


class TestBackends:
    @pytest.mark.parametrize("lens", [(), LENS])
    def test_random_crowds(self, lens: tuple[float, ...], rng: np.random.Generator) -> None:
        cameras = ceiling(4, lens)
        for people, sigma_px, missing in ((1, 1.0, 0.0), (4, 8.0, 0.1), (5, 20.0, 0.3)):
            keypoints, _ = pictures(rng, cameras, scattered(rng, people, 1.2), sigma_px, missing)
            same(cameras, keypoints)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_hostile_numbers(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        cameras = ceiling(3)
        keypoints, _ = pictures(rng, cameras, scattered(rng, 2, 1.0), 5.0)
        odd = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 0.0, -0.0, 960.0, 1e9]
        spoiled = []
        for k in keypoints:
            px, sigma = k.px.copy(), k.sigma_px.copy()
            px[rng.random(px.shape) < 0.2] = rng.choice(odd)
            sigma[rng.random(sigma.shape) < 0.2] = rng.choice(odd)
            spoiled.append(Keypoints(k.camera, k.time_ns, px, sigma))
        m = same(cameras, spoiled)
        assert all(((a >= 0) & (a <= 1)).all() for a in m.ambiguity)
        told = ~np.isnan(m.joints_m[..., 0])
        assert np.isfinite(m.joints_m[told]).all()
        assert (np.linalg.eigvalsh(m.covariance_m2[told]) > 0).all()

    def test_all_rays_in_one_place(self) -> None:
        cameras = ceiling(3)
        px = np.full((3, 8, 2), [960.0, 540.0])
        same(cameras, [Keypoints(c.id, FIRST_NS, px, np.ones((3, 8))) for c in cameras])

    def test_cameras_at_one_place_tell_no_depth(self, rng: np.random.Generator) -> None:
        one = ceiling(1)[0]
        twin = Camera("twin", one.matrix, one.rotation, one.translation_m, one.distortion)
        keypoints, _ = pictures(rng, [one, twin], bodies([[0, 0]]), 1.0)
        assert len(same([one, twin], keypoints).joints_m) == 0

    def test_absurd_cameras(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        far = Camera("far", np.diag([1e300, 1e300, 1.0]), np.eye(3), np.full(3, 1e308))
        keypoints, _ = pictures(rng, cameras, bodies([[0, 0]]), 1.0)
        far_too = Keypoints("far", FIRST_NS, np.zeros((2, 8, 2)), np.ones((2, 8)))
        same([*cameras, far], [*keypoints, far_too])

    def test_more_pairs_than_expected_are_found_too(self, rng: np.random.Generator) -> None:
        cameras = ceiling(8)
        keypoints, _ = pictures(rng, cameras, np.repeat(bodies([[0, 0]]), 8, axis=0), 5.0)
        assert match_persons(cameras, keypoints).joints_m.shape[0] >= 8

    def test_nothing(self) -> None:
        assert match_persons([], []).persons == ()
        empty = Keypoints("c0", FIRST_NS, np.zeros((0, 8, 2)), np.zeros((0, 8)))
        m = same(ceiling(2), [empty])
        assert [p.shape for p in m.persons] == [(0,)]


class TestArguments:
    def test_an_unknown_camera(self) -> None:
        with pytest.raises(ValueError, match=r"c0, c1.*'c7'"):
            match_persons(ceiling(2), [Keypoints("c7", 0, np.zeros((1, 8, 2)), np.ones((1, 8)))])

    def test_a_camera_given_twice(self) -> None:
        with pytest.raises(ValueError, match="cameras must be unique"):
            match_persons(ceiling(2) + ceiling(1), [])

    def test_a_crowd_too_large(self) -> None:
        with pytest.raises(ValueError, match="4096"):
            match_persons(ceiling(1), [Keypoints("c0", 0, np.zeros((4097, 8, 2)), np.ones((4097, 8)))])

    @pytest.mark.parametrize("value", [None, 3, ["a"], "ab"])
    def test_wrong_types(self, value: object) -> None:
        with pytest.raises(TypeError, match="cameras"):
            match_persons(value, [])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="keypoints"):
            match_persons(ceiling(1), value)  # type: ignore[arg-type]
        if value is not None:
            with pytest.raises(TypeError, match="people"):
                match_persons(ceiling(1), [], value)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("field", "value"), [("lowest_m", np.nan), ("highest_m", -5.0), ("reach_m", 0.0), ("walking_m_s", -1.0)]
    )
    def test_settings_out_of_bounds(self, field: str, value: float) -> None:
        with pytest.raises(ValueError, match=field):
            match_persons(ceiling(1), [], PeopleSettings()._replace(**{field: value}))

    def test_the_native_module_refuses_wrong_arrays(self) -> None:
        native = pytest.importorskip("fusion.native.matching")
        arrays: list[NDArray[np.generic]] = [np.zeros((2, 10, 8)), np.zeros(2, np.int32), np.zeros((1, 3)), np.zeros(2)]
        rest = [np.zeros(3), 4, np.zeros(2, np.int32), np.zeros(2), np.zeros((2, 90))]
        assert native.match(*arrays, *rest) == 0
        with pytest.raises(ValueError, match="sightings"):
            native.match(np.zeros((2, 9, 8)), *arrays[1:], *rest)
        with pytest.raises(ValueError, match="camera is out of range"):
            native.match(arrays[0], np.array([0, 1], np.int32), *arrays[2:], *rest)
        with pytest.raises(ValueError, match="edge_room"):
            native.match(*arrays, np.zeros(3), -1, *rest[2:])
