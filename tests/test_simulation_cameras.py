"""Simulated cameras: rigs over the aisle, clocks, the network, and the truth beside the observations."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rigs
from fusion import CameraRig, Engine, Keypoints, Targets
from fusion.recordings import open_recording, write_recording
from fusion.simulation import Simulation, SimulationSettings, simulate
from fusion.simulation.cameras import aisle_m, generate_rig, in_image, move_rig
from fusion.simulation.store import build_store

NANOSTORE = Path(__file__).parents[2] / "shared" / "data" / "nanostore" / "store_meta" / "calibration.json"
CAMERAS = SimulationSettings(seed=2, duration_s=30.0, cameras=4)
PERFECT = replace(
    CAMERAS,
    joint_noise_m=0.0,
    joint_dropout=0.0,
    keypoint_noise_px=0.0,
    keypoint_dropout=0.0,
    occluded_dropout=0.0,
    person_dropout=0.0,
    false_persons_per_camera_hour=0.0,
    limb_swap_probability=0.0,
    merge_probability=0.0,
    packet_loss=0.0,
    packet_duplication=0.0,
)


@cache
def simulated(settings: SimulationSettings = CAMERAS) -> Simulation:
    return simulate(settings)


def frames(simulation: Simulation) -> dict[tuple[str, int], Keypoints]:
    return {(o.camera, o.time_ns): o for o in simulation.observations if isinstance(o, Keypoints)}


def footage(simulation: Simulation) -> Iterator[tuple[dict[str, Any], int, int, list[str | None]]]:
    """Each frame of the truth: its camera's entry, stamp, exposure and persons."""
    for entry in simulation.truth["cameras"]:
        for stamp, exposed, shoppers in zip(entry["time_ns"], entry["exposed_ns"], entry["shoppers"], strict=True):
            yield entry, stamp, exposed, shoppers


def bits(simulation: Simulation, *, keypoints: bool) -> list[bytes]:
    """Arrival and contents of every observation that is, or is none, of keypoints."""
    told = []
    for arrival, o in zip(simulation.arrivals_ns, simulation.observations, strict=True):
        if isinstance(o, Keypoints) == keypoints:
            values = [getattr(o, name) for name in o.__slots__]
            told.append(b"".join(v.tobytes() if isinstance(v, np.ndarray) else repr(v).encode() for v in values))
            told[-1] += arrival.tobytes()
    return told


# --- what was there before


def test_cameras_change_nothing_else() -> None:
    without, with_ = simulated(replace(CAMERAS, cameras=0)), simulated()
    assert without.store.cameras == ()
    assert bits(without, keypoints=True) == []
    assert bits(without, keypoints=False) == bits(with_, keypoints=False)
    assert without.truth == {k: v for k, v in with_.truth.items() if k != "cameras"}
    assert "cameras" not in without.truth
    bare = simulated(replace(CAMERAS, targets=False))
    assert not any(isinstance(o, Targets) for o in bare.observations)
    assert bits(bare, keypoints=True) == bits(with_, keypoints=True)


def test_same_seed_gives_same_bytes() -> None:
    assert bits(simulate(CAMERAS), keypoints=True) == bits(simulated(), keypoints=True)
    assert simulate(CAMERAS).truth == simulated().truth
    assert bits(simulated(), keypoints=True) != bits(simulated(replace(CAMERAS, seed=3)), keypoints=True)


def test_receipts_do_not_change() -> None:
    outcomes = []
    for settings in (replace(CAMERAS, cameras=0), CAMERAS):
        engine = Engine(simulated(settings).store)
        for observation in simulated(settings).observations:
            engine.push([observation])
        outcomes.append(engine.finish().to_dict())
    assert outcomes[0]["receipts"] == outcomes[1]["receipts"]
    assert outcomes[1]["health"]["unused"] == 0
    assert sum(camera["frames"] for camera in outcomes[1]["health"]["cameras"]) == len(frames(simulated()))


# --- rigs


@pytest.mark.parametrize(
    ("cameras", "fixtures", "plates", "fisheye"),
    [(2, 3, 6, 0.0), (3, 1, 1, 0.0), (4, 3, 6, 1.0), (8, 3, 6, 0.5), (8, 12, 12, 0.0), (30, 12, 12, 1.0)],
)
def test_a_generated_rig_sees_the_whole_aisle(cameras: int, fixtures: int, plates: int, fisheye: float) -> None:
    settings = SimulationSettings(cameras=cameras, fixtures=fixtures, plates=plates, fisheye_probability=fisheye)
    rng = np.random.default_rng(cameras)
    store = build_store(settings, rng)
    rig = generate_rig(settings, store, rng)
    assert len(rig) == cameras
    assert {c.model for c in rig} <= {"fisheye"} if fisheye == 1.0 else {"pinhole"} <= {c.model for c in rig}
    low, high = aisle_m(store)
    points = rng.uniform([*(low + 0.35), 0.8], [*(high - 0.35), 1.75], (2000, 3))
    px = rig.project(points)
    views = np.sum([in_image(camera, px[:, i]) for i, camera in enumerate(rig)], axis=0)
    assert (views >= 1).mean() == 1.0
    assert (views >= 2).mean() > 0.95
    if cameras > 2:
        assert (views >= 2).mean() == 1.0
    if cameras >= 8:
        reach = [np.linalg.norm(points[in_image(c, px[:, i]), :2] - c.center_m[:2], axis=1) for i, c in enumerate(rig)]
        assert np.median(np.concatenate(reach)) < 4.0, "cameras look at what is near them"
    back = rig.triangulate(
        np.where(np.stack([in_image(c, px[:, i]) for i, c in enumerate(rig)], 1)[..., None], px, np.nan)
    )
    usable = back.parallax_rad > 0.05
    np.testing.assert_allclose(back.xyz_m[usable], points[usable], atol=1e-6)


@pytest.mark.parametrize("fisheye", [0.0, 1.0])
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (640, 480), (480, 640)])
@pytest.mark.parametrize("fov_deg", [20.0, 90.0, 160.0])
def test_the_field_of_view_is_what_was_asked_for(fisheye: float, width: int, height: int, fov_deg: float) -> None:
    settings = SimulationSettings(
        cameras=3, camera_fov_deg=fov_deg, image_width_px=width, image_height_px=height, fisheye_probability=fisheye
    )
    rng = np.random.default_rng(1)
    for camera in generate_rig(settings, build_store(settings, rng), rng):
        edge = np.deg2rad(fov_deg) / 2
        along = np.array([1.0, 0.0, 0.0]) if width >= height else np.array([0.0, 1.0, 0.0])
        rays = np.array([np.cos(edge) * np.array([0.0, 0.0, 1.0]) + s * np.sin(edge) * along for s in (-1.0, 1.0)])
        px = CameraRig([camera]).project(camera.center_m + rays @ camera.rotation)[:, 0]
        assert np.ptp(px, axis=0).max() == pytest.approx(max(width, height), rel=0.01)
        corners = np.array([[[x, y]] for x in (0, width - 1) for y in (0, height - 1)], dtype=float)
        assert (CameraRig([camera]).unproject(corners).residual_px < 1e-6).all(), "the lens folds within the image"


def test_a_given_rig_is_moved_as_it_hangs() -> None:
    settings = SimulationSettings()
    store = build_store(settings, np.random.default_rng(0))
    given_rig = rigs.mixed()
    rig = move_rig(settings, given_rig, store)
    assert rig.ids == given_rig.ids
    before, after = (np.array([c.center_m for c in r]) for r in (given_rig, rig))
    np.testing.assert_allclose(after[:, 2], before[:, 2], atol=1e-12)
    for a, b in zip(rig, given_rig, strict=True):
        assert a.rotation[2, 2] == pytest.approx(b.rotation[2, 2], abs=1e-12)
        assert (a.matrix.tobytes(), a.distortion.tobytes(), a.model) == (
            b.matrix.tobytes(),
            b.distortion.tobytes(),
            b.model,
        )
    own = [np.array([[a.rotation @ (b.center_m - a.center_m) for a in r] for b in r]) for r in (given_rig, rig)]
    np.testing.assert_allclose(own[1], own[0], atol=1e-9, err_msg="from each camera the others lie where they lay")
    points = np.append(np.mean(aisle_m(store), axis=0), 1.3)[None]
    assert all(in_image(camera, rig.project(points)[:, i])[0] for i, camera in enumerate(rig))


def test_images_of_unknown_size_end_as_far_behind_the_principal_point_as_they_begin_before_it() -> None:
    settings = SimulationSettings()
    unknown = CameraRig([replace(camera, size_px=(0, 0)) for camera in rigs.ceiling(2)])
    moved = move_rig(settings, unknown, build_store(settings, np.random.default_rng(0)))
    assert [camera.size_px for camera in moved] == [(1921, 1081)] * 2


def test_a_rig_must_be_one_and_alone() -> None:
    with pytest.raises(TypeError, match="rig must be a CameraRig; got tuple"):
        simulate(SimulationSettings(), tuple(rigs.ceiling(2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cameras must be 0 where a rig is given; got 4"):
        simulate(CAMERAS, rigs.ceiling(2))


@pytest.mark.skipif(not NANOSTORE.exists(), reason="the NanoStore calibration is not here")
def test_the_real_nanostore_rig() -> None:
    rig = CameraRig.read(NANOSTORE).subset([str(i) for i in range(1, 13)])
    simulation = simulate(replace(PERFECT, cameras=0, camera_rate_hz=5.0), rig)
    moved = CameraRig(simulation.store.cameras)
    assert {camera.size_px for camera in moved} == {(1920, 1080)}
    assert all(c.matrix[0, 0] == pytest.approx(c.matrix[1, 1], rel=0.01) for c in moved), "its pixels are square"
    rng = np.random.default_rng(0)
    low, high = aisle_m(simulation.store)
    px = moved.project(rng.uniform([*(low + 0.35), 0.8], [*(high - 0.35), 1.75], (2000, 3)))
    views = np.sum([in_image(camera, px[:, i]) for i, camera in enumerate(moved)], axis=0)
    assert (views >= 2).mean() > 0.97
    assert all(any(e["shoppers"]) for e in simulation.truth["cameras"]), "a camera saw nobody"
    errors = joint_errors_m(simulation)
    assert len(errors) > 500
    assert np.median(errors) < 0.005


# --- end to end


def joint_errors_m(simulation: Simulation) -> np.ndarray:
    """Triangulate necks from four cameras' frames near each instant of the exact targets; distances to those."""
    rig, told = CameraRig(simulation.store.cameras), frames(simulation)
    tracks: dict[tuple[str, int], tuple[list[int], list[np.ndarray]]] = {}
    for i, (entry, stamp, exposed, shoppers) in (
        (rig.ids.index(e["camera"]), (e, s, x, p)) for e, s, x, p in footage(simulation)
    ):
        for shopper, px in zip(shoppers, told[entry["camera"], stamp].px, strict=True):
            times, images = tracks.setdefault((str(shopper), i), ([], []))
            times.append(exposed)
            images.append(px[1])
    errors = []
    for target in (o for o in simulation.observations if isinstance(o, Targets)):
        for shopper, joints in zip(target.shoppers, target.joints_m, strict=True):
            px = np.full((len(rig), 2), np.nan)
            for i in range(len(rig)):
                times, images = tracks.get((shopper, i), ([], []))
                k = int(np.searchsorted(times, target.time_ns))
                if 0 < k < len(times) and times[k] - times[k - 1] < 0.3e9:
                    share = (target.time_ns - times[k - 1]) / (times[k] - times[k - 1])
                    px[i] = images[k - 1] + share * (images[k] - images[k - 1])
            result = rig.triangulate(px[None])
            if result.status[0] == 0:
                errors.append(np.linalg.norm(result.xyz_m[0] - joints[1]))
    return np.array(errors)


def test_perfect_keypoints_are_the_images_of_the_targets_joints() -> None:
    """Through clocks, orders and identities: necks triangulated by the truth's word are where the targets are."""
    for fisheye in (0.0, 1.0):
        errors = joint_errors_m(simulated(replace(PERFECT, fisheye_probability=fisheye, camera_rate_hz=30.0)))
        assert len(errors) > 800
        assert np.median(errors) < 1e-3
        assert np.quantile(errors, 0.99) < 0.01


def test_clocks_are_off_as_the_truth_tells() -> None:
    simulation = simulated()
    offsets = [entry["clock_offset_s"] for entry in simulation.truth["cameras"]]
    assert len(set(offsets)) == 4
    assert max(np.abs(offsets)) <= 0.1
    phases = []
    for entry in simulation.truth["cameras"]:
        stamps, exposed = np.array(entry["time_ns"]), np.array(entry["exposed_ns"])
        assert (np.diff(stamps) > 0).all()
        late = (stamps - exposed) / 1e9 - entry["clock_offset_s"]
        assert np.abs(late).max() < 0.0031
        assert abs(late.mean()) < 0.0003
        assert np.diff(exposed).mean() == pytest.approx(1e9 / 20, rel=1e-4)
        phases.append(exposed[0] % 50_000_000)
    assert len(set(phases)) == 4
    on_time = simulated(replace(PERFECT, clock_offset_s=0.0)).truth["cameras"]
    assert {entry["clock_offset_s"] for entry in on_time} == {0.0}


def test_frames_arrive_after_their_delay_whatever_the_clock_says() -> None:
    settings = replace(PERFECT, keypoints_delay_s=0.2, packet_reordering=0.0, clock_offset_s=1.0)
    simulation = simulated(settings)
    exposed = {(entry["camera"], stamp): e for entry, stamp, e, _ in footage(simulation)}
    delays = [
        (arrival - exposed[o.camera, o.time_ns]) / 1e9
        for arrival, o in zip(simulation.arrivals_ns, simulation.observations, strict=True)
        if isinstance(o, Keypoints)
    ]
    assert len(delays) == len(exposed)
    assert min(delays) > 0.195
    assert np.median(delays) < 0.26


def test_the_network_loses_and_doubles_frames_of_which_the_truth_still_tells() -> None:
    simulation = simulated(replace(CAMERAS, packet_loss=0.2, packet_duplication=0.2))
    keypoints = [o for o in simulation.observations if isinstance(o, Keypoints)]
    told = {(entry["camera"], stamp): shoppers for entry, stamp, _, shoppers in footage(simulation)}
    distinct = frames(simulation)
    assert set(distinct) < set(told)
    assert len(distinct) / len(told) == pytest.approx(0.8, abs=0.03)
    assert len(keypoints) / len(distinct) == pytest.approx(1.2, abs=0.03)
    assert all(len(told[key]) == len(frame.px) for key, frame in distinct.items())


def test_persons_come_in_random_order() -> None:
    pairs = [shoppers for _, _, _, shoppers in footage(simulated(PERFECT)) if len(shoppers) == 2]
    first = np.array([a < b for a, b in pairs])  # type: ignore[operator]
    assert len(first) > 100
    assert 0.4 < first.mean() < 0.6


def test_recordings_keep_keypoints_cameras_and_truth(tmp_path: Path) -> None:
    simulation = simulated(replace(CAMERAS, fisheye_probability=0.5))
    write_recording(tmp_path / "r", simulation.store, simulation.observations, truth=simulation.truth)
    recording = open_recording(tmp_path / "r")
    assert recording.truth == json.loads(json.dumps(simulation.truth)) == simulation.truth
    assert recording.store.to_dict() == simulation.store.to_dict()
    assert {camera.model for camera in recording.store.cameras} == {"pinhole", "fisheye"}
    back = replace(simulation, observations=list(recording))
    assert bits(back, keypoints=True) == bits(simulation, keypoints=True)
    assert bits(back, keypoints=False) == bits(simulation, keypoints=False)


# --- settings


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("cameras", -1, ValueError),
        ("cameras", 2.0, TypeError),
        ("cameras", True, TypeError),
        ("targets", 1, TypeError),
        ("targets", None, TypeError),
        ("image_width_px", 15, ValueError),
        ("image_height_px", 1080.0, TypeError),
        ("camera_fov_deg", 19.0, ValueError),
        ("camera_fov_deg", 161.0, ValueError),
        ("camera_fov_deg", np.nan, ValueError),
        ("ceiling_m", 2.1, ValueError),
        ("ceiling_m", 11.0, ValueError),
        ("fisheye_probability", 1.1, ValueError),
        ("camera_rate_hz", 0.0, ValueError),
        ("camera_rate_hz", 121.0, ValueError),
        ("camera_rate_hz", "20", TypeError),
        ("clock_offset_s", -0.1, ValueError),
        ("clock_offset_s", 1.1, ValueError),
        ("keypoint_noise_px", -1.0, ValueError),
        ("keypoint_noise_px", np.inf, ValueError),
        ("keypoint_dropout", 1.1, ValueError),
        ("occluded_dropout", -0.1, ValueError),
        ("person_dropout", 2, ValueError),
        ("false_persons_per_camera_hour", 1e6, ValueError),
        ("limb_swap_probability", 1.5, ValueError),
        ("merge_probability", None, TypeError),
        ("keypoints_delay_s", -1.0, ValueError),
    ],
)
def test_settings_are_validated(field: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=field):
        SimulationSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        SimulationSettings(duration_s=20.0, shoppers=1, cameras=1, fixtures=1, shelves=1, plates=1, camera_rate_hz=1.0),
        SimulationSettings(duration_s=20.0, cameras=2, keypoint_dropout=1.0, camera_rate_hz=120.0),
        SimulationSettings(duration_s=20.0, cameras=2, person_dropout=1.0, false_persons_per_camera_hour=36_000.0),
        SimulationSettings(duration_s=20.0, cameras=2, image_width_px=16, image_height_px=16, keypoint_noise_px=1e3),
        SimulationSettings(duration_s=20.0, cameras=2, merge_probability=1.0, limb_swap_probability=1.0, shoppers=8),
        SimulationSettings(duration_s=20.0, cameras=2, packet_loss=1.0, occluded_dropout=1.0, ceiling_m=10.0),
    ],
)
def test_extreme_settings_run(settings: SimulationSettings) -> None:
    simulation = simulate(settings)
    assert len(simulation.truth["cameras"]) == settings.cameras
    told = {(entry["camera"], stamp): shoppers for entry, stamp, _, shoppers in footage(simulation)}
    assert len(told) == pytest.approx(settings.cameras * settings.camera_rate_hz * 20.0, rel=0.7)
    for key, frame in frames(simulation).items():
        assert len(frame.px) == len(told[key])
        assert ((~np.isnan(frame.px[..., 0])).sum(axis=1) >= 3).all()
        assert np.array_equal(np.isnan(frame.px[..., 0]), np.isnan(frame.sigma_px))
        if settings.keypoint_dropout == 1.0 or settings.person_dropout == 1.0:
            assert not len(frame.px)
