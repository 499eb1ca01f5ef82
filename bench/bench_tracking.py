"""Matching and tracking against their peers: time beside who is who; HOTA and IDF1 of simulated crowds.

Matching: Pose2Sim's association (matchSVT: Dong et al. 2019, "Fast and Robust Multi-Person 3D Pose Estimation from
Multiple Views"). Tracking: ours takes the detections of one camera against 3-D tracks of eight joints; the peers do
less, filterpy with scipy a 3-D point a person that was matched for it, pyxtrackers' SORT boxes within one camera.
HOTA (Luiten et al. 2021) and IDF1 (Ristani et al. 2016) are TrackEval's, on the middles of head, neck and shoulders;
similarity is 1 less the distance in metres.

Set OPENBLAS_NUM_THREADS=1: threads that Pose2Sim's decompositions leave spinning disturb whoever runs next, and one is
faster for it too.
"""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import contenders
import crowds
import tracking_peers
from fusion import Camera, Keypoints, Tracker, TrackingSettings, Tracks, match_persons, use_backend

Array = NDArray[np.float64]
Film = list[tuple[Keypoints, NDArray[np.int64], float]]
QUIET = crowds.Detector(5.0, 0.0, 0.0, 0.0, 0.0)


def instant(cameras: list[Camera], detector: crowds.Detector, seed: int) -> tuple[list[Keypoints], list[Any]]:
    """Pictures of 20 people at one instant, and who each detection is."""
    rng = np.random.default_rng(seed)
    joints = crowds.Crowd(20, 3.0, 3.0, seed, everybody=True).at(2.0)[1]
    pictures = [crowds.picture(c, joints, detector, rng, crowds.FIRST_NS) for c in cameras]
    return [k for k, _ in pictures], [w for _, w in pictures]


def pair_f1(persons: tracking_peers.Persons, who: list[NDArray[np.int64]]) -> float:
    """F1 over pairs of detections of different cameras."""
    camera = np.repeat(np.arange(len(who)), [len(w) for w in who])
    said, true = np.concatenate(persons), np.concatenate(who)
    i, j = np.triu_indices(len(true), 1)
    i, j = i[camera[i] != camera[j]], j[camera[i] != camera[j]]
    positive, right = (said[i] == said[j]) & (said[i] >= 0), true[i] == true[j]
    return float(2 * (positive & right).sum() / (positive.sum() + right.sum()))


def ours(backend: str, cameras: list[Camera], instants: list[list[Keypoints]]) -> list[tracking_peers.Persons]:
    with use_backend(backend):
        return [match_persons(cameras, k).persons for k in instants]


@pytest.mark.parametrize(("sigma_px", "missing", "least"), [(3.0, 0.0, 0.995), (11.0, 0.1, 0.97)])
def test_matching(benchmark: Any, sigma_px: float, missing: float, least: float) -> None:
    cameras = crowds.ceiling(8)
    detector = crowds.Detector(sigma_px, missing, 0.0, 0.0, 0.0)
    drawn = [instant(cameras, detector, seed) for seed in range(10)]
    keypoints, who = [d[0] for d in drawn], [d[1] for d in drawn]

    def quality(found: list[tracking_peers.Persons]) -> dict[str, float]:
        return {"pair F1": float(np.mean([pair_f1(p, w) for p, w in zip(found, who, strict=True)]))}

    jobs: dict[str, Callable[[], Any]] = {name: partial(ours, name, cameras, keypoints) for name in ("native", "numba")}
    module = tracking_peers.pose2sim()
    if module is None:
        print("Pose2Sim is not installed: no rival")
    else:
        jobs["Pose2Sim"] = lambda: [tracking_peers.by_pose2sim(module, cameras, k) for k in keypoints]
    title = f"Matching: an instant of 20 people in 8 cameras, {sigma_px:g} px, {missing:.0%} of joints missing"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(keypoints), rounds=5)
    assert rows["native"]["pair F1"] == rows["numba"]["pair F1"]
    assert float(rows["native"]["pair F1"]) >= least


def step_only(backend: str, cameras: list[Camera], film: Film) -> list[NDArray[np.int64]]:
    """Run the kernel alone: sight lines are computed once, nothing is told."""
    with use_backend(backend):
        tracker = Tracker(cameras)
    told = []
    for (picture, _, _), sightings in zip(film, sight_lines(tuple(cameras), film), strict=True):
        track, doubt = np.empty(len(sightings), np.int64), np.empty(len(sightings))
        tracker._tracking.step(
            tracker._tracks, tracker._facts, tracker._ambiguity, tracker._left, tracker._left_camera, tracker._left_ns,
            tracker._counts, sightings, tracker._index[picture.camera], picture.time_ns, tracker._centres,
            tracker._habits, track, doubt,
        )  # fmt: skip
        told.append(track)
    return told


_LINES: dict[int, list[Array]] = {}


def sight_lines(cameras: tuple[Camera, ...], film: Film) -> list[Array]:
    if id(film) not in _LINES:
        tracker = Tracker(cameras)
        _LINES[id(film)] = [np.empty((len(k.px), 10, 8)) for k, _, _ in film]
        for (k, _, _), s in zip(film, _LINES[id(film)], strict=True):
            tracker._matching.look(tracker._cameras[k.camera], k.px, k.sigma_px, s)
    return _LINES[id(film)]


def push(backend: str, cameras: list[Camera], film: Film) -> list[NDArray[np.int64]]:
    with use_backend(backend):
        tracker = Tracker(cameras)
    return [t.detections for t in tracker.push([k for k, _, _ in film]) + tracker.flush()]


def switches(told: list[NDArray[np.int64]], who: list[NDArray[np.int64]]) -> int:
    """How often the id of a person changes."""
    owner: dict[int, int] = {}
    count = 0
    for ids, people in zip(told, who, strict=True):
        for i, p in zip(ids.tolist(), people.tolist(), strict=True):
            if i >= 0 and p >= 0:
                count += owner.get(p, i) != i
                owner[p] = i
    return count


def test_step(benchmark: Any) -> None:
    cameras, seconds = crowds.ceiling(8), 3.0
    crowd = crowds.Crowd(20, 3.0, seconds, 1, everybody=True)
    film = crowds.film(cameras, crowd, QUIET, seconds, 1)
    who = [w for _, w, _ in film]
    rng = np.random.default_rng(2)
    times = np.array([t for _, _, t in film])
    places = [crowd.at(t)[1][w, :4].mean(1) + rng.normal(0, 0.02, (len(w), 3)) for t, w in zip(times, who, strict=True)]
    jobs: dict[str, Callable[[], Any]] = {
        "native step": partial(step_only, "native", cameras, film),
        "native, from Python": partial(push, "native", cameras, film),
        "numba, from Python": partial(push, "numba", cameras, film),
    }
    try:
        kalman = importlib.import_module("filterpy.kalman")
        jobs["filterpy and scipy, 3-D points"] = partial(tracking_peers.by_filterpy, kalman, times, places)
    except ImportError:
        print("filterpy is not installed: no rival")
    try:
        sort = importlib.import_module("pyxtrackers").Sort
        boxes = [box(k) for k, _, _ in film if k.camera == cameras[0].id]
        boxes = [boxes[i % len(boxes)] for i in range(len(film))]
        jobs["pyxtrackers SORT, boxes of one camera"] = partial(tracking_peers.by_sort, sort, boxes)
    except ImportError:
        print("pyxtrackers is not installed: no rival")

    def quality(told: list[Any]) -> dict[str, Any]:
        if told[0].ndim == 2:
            return {"switches": "-", "detections": float(np.mean([len(t) for t in told]))}
        return {"switches": switches(told, who), "detections": float(np.mean([len(t) for t in told]))}

    rows = contenders.race(
        benchmark, "Tracking: a picture of up to 20 people", jobs, quality, items=len(film), rounds=7
    )
    assert rows["native step"]["switches"] == rows["numba, from Python"]["switches"] == 0


def box(k: Keypoints) -> Array:
    """Boxes around detections, (N, 5): corners and score."""
    return np.concatenate([np.nanmin(k.px, 1), np.nanmax(k.px, 1), np.ones((len(k.px), 1))], axis=1)


def scores(told: list[Tracks], crowd: crowds.Crowd, film: Film, every: int = 4) -> dict[str, float]:
    """HOTA, its detection and association parts, IDF1 and identity switches, by TrackEval; RMSE of the middles."""
    metrics = importlib.import_module("trackeval.metrics")
    truth, found, alike, square = [], [], [], []
    numbers: dict[int, int] = {}
    for t, (_, _, seconds) in list(zip(told, film, strict=True))[::every]:
        people, joints = crowd.at(seconds)
        known = ~np.isnan(t.joints_m[:, :4, 0]).all(1)
        places = np.nanmean(t.joints_m[known, :4], axis=1)
        distance = np.linalg.norm(joints[:, :4].mean(1)[:, None] - places[None], axis=2)
        truth.append(people)
        found.append(np.array([numbers.setdefault(int(i), len(numbers)) for i in t.ids[known]], int))
        alike.append(np.clip(1 - distance, 0, 1))
        square += list(distance.min(1, initial=np.inf)[distance.min(1, initial=np.inf) < 0.5] ** 2)
    data = {
        "num_timesteps": len(truth), "num_gt_ids": len(crowd.scale), "num_tracker_ids": len(numbers),
        "num_gt_dets": sum(map(len, truth)), "num_tracker_dets": sum(map(len, found)),
        "gt_ids": truth, "tracker_ids": found, "similarity_scores": alike,
    }  # fmt: skip
    hota = metrics.HOTA().eval_sequence(data)
    identity = metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    clear = metrics.CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "HOTA": float(hota["HOTA"].mean()),
        "DetA": float(hota["DetA"].mean()),
        "AssA": float(hota["AssA"].mean()),
        "IDF1": float(identity["IDF1"]),
        "switches": float(clear["IDSW"]),
        "RMSE, mm": 1e3 * float(np.sqrt(np.mean(square))),
    }


def follow(backend: str, cameras: list[Camera], film: Film, settings: TrackingSettings) -> list[Tracks]:
    with use_backend(backend):
        tracker = Tracker(cameras, settings)
    return tracker.push([k for k, _, _ in film]) + tracker.flush()


@pytest.mark.parametrize(("people", "sigma_px"), [(10, 5.0), (20, 5.0), (20, 10.0), (20, 15.0), (30, 10.0)])
def test_crowd(benchmark: Any, people: int, sigma_px: float) -> None:
    pytest.importorskip("trackeval", reason="TrackEval is not installed: no HOTA")
    cameras, seconds = crowds.ceiling(8), 15.0
    crowd = crowds.Crowd(people, 3.0, seconds, people)
    detector = crowds.Detector(sigma_px, 0.1, 0.05, 0.2)
    film = crowds.film(cameras, crowd, detector, seconds, people)
    title = f"Tracking: a picture of a crowd of {people}, 8 cameras with clocks of their own, {sigma_px:g} px"
    jobs = {name: partial(follow, name, cameras, film, TrackingSettings()) for name in ("native", "numba")}
    rows = contenders.race(benchmark, title, jobs, lambda t: scores(t, crowd, film), items=len(film), rounds=3)
    assert {k: v for k, v in rows["native"].items() if k in ("HOTA", "IDF1")} == {
        k: v for k, v in rows["numba"].items() if k in ("HOTA", "IDF1")
    }
    crowded = people > 20  # nearly a person a square metre: ids do get lost
    assert float(rows["native"]["IDF1"]) > (0.85 if crowded else 0.95)
    assert float(rows["native"]["HOTA"]) > (0.8 if crowded else 0.9)
