"""Tracks of real people against triangulation of the same images, ours and Pose2Sim's: bones, reprojection, identities.

    .venv/bin/python bench/accuracy_tracking.py ../shared/data/multiview/pose2sim_2person_4cam.npz

Four cameras, 100 frames at 60 Hz (Pose2Sim's demonstration), BODY_25B keypoints with a score of 0.3 or more, 10 px. All
triangulate the images that our tracks were assigned, over frames and joints that all know; Pose2Sim's row appears where
it is installed (see ``tracking_peers.py``), and then ours must not be worse than its.
"""

import sys

import numpy as np
from numpy.typing import NDArray

import tracking_peers
from fusion import Camera, Keypoints, Tracker, project, triangulate

Array = NDArray[np.float64]
ORDER = [18, 17, 5, 6, 7, 8, 9, 10]
BONES = [(1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (2, 3)]
SIGMA_PX, SETTLED = 10.0, 20


def spread_mm(joints: Array) -> float:
    """Mean over bones of the standard deviation of their length, millimetres."""
    bones = joints[SETTLED:]
    return 1e3 * float(np.mean([np.nanstd(np.linalg.norm(bones[:, a] - bones[:, b], axis=1)) for a, b in BONES]))


def rms_px(cameras: list[Camera], joints: Array, px: Array) -> float:
    """Root of the mean squared reprojection error over what both know, pixels; `px` is (T, 8, V, 2)."""
    images = project(cameras, joints.reshape(-1, 3)).reshape(px.shape)
    return float(np.sqrt(np.nanmean(np.square(images - px)[SETTLED:].sum(-1))))


def main(path: str) -> None:
    """Print a row for each person."""
    with np.load(path) as f:
        parts = zip(f["names"], f["K"], f["R"], f["t"], f["D"], strict=True)
        cameras = [Camera(str(n), K, R, t, D) for n, K, R, t, D in parts]
        kpts, count = f["two_kpts"][..., ORDER, :], f["two_n"]
    pictures, scores = [], []
    for t in range(len(kpts)):
        for c, camera in enumerate(cameras):
            k = kpts[t, c, : count[t, c]]
            px = np.where(k[..., 2:] < 0.3, np.nan, k[..., :2])
            pictures.append(Keypoints(camera.id, t * 1_000_000_000 // 60, px, np.full(px.shape[:2], SIGMA_PX)))
            scores.append(k[..., 2])
    tracker = Tracker(cameras)
    told = tracker.push(pictures) + tracker.flush()
    views, peer = len(cameras), tracking_peers.pose2sim("triangulation")
    ids = sorted({int(i) for frame in told for i in frame.ids})
    for i in ids:
        px, filtered = np.full((len(kpts), 8, views, 2), np.nan), np.full((len(kpts), 8, 3), np.nan)
        score, seen = np.full(px.shape[:-1], np.nan), np.zeros(views, int)
        for n, (frame, picture) in enumerate(zip(told, pictures, strict=True)):
            for d in np.flatnonzero(frame.detections == i):
                px[n // views, :, n % views], score[n // views, :, n % views] = picture.px[d], scores[n][d]
                seen[n % views] += 1
            for row in np.flatnonzero(frame.ids == i):
                filtered[n // views] = frame.joints_m[row]
        images = px.reshape(-1, views, 2)
        rows = {"tracks": filtered, "triangulation": triangulate(cameras, images, SIGMA_PX).xyz_m}
        rows["robust"] = triangulate(cameras, images, SIGMA_PX, robust=True).xyz_m
        if peer is not None:
            weights = score.reshape(-1, views)
            rows["Pose2Sim"] = tracking_peers.triangulated_by_pose2sim(peer, cameras, images, weights)
        shaped = {name: joints.reshape(-1, 8, 3) for name, joints in rows.items()}
        unknown = np.any([np.isnan(joints) for joints in shaped.values()], axis=0)
        shaped = {name: np.where(unknown, np.nan, joints) for name, joints in shaped.items()}
        figures = {name: (spread_mm(j), rms_px(cameras, j, px)) for name, j in shaped.items()}
        texts = [f"{name} {bones:.2f} mm {rms:.2f} px" for name, (bones, rms) in figures.items()]
        print(f"id {i}: seen in {'/'.join(map(str, seen))} pictures; bones and reprojection: {'; '.join(texts)}")
        if peer is not None:
            for ours in ("tracks", "triangulation"):
                assert all(np.less_equal(figures[ours], figures["Pose2Sim"]))
    assert len(ids) == 2


if __name__ == "__main__":
    main(sys.argv[1])
