"""Tracks of real people against plain triangulation of the same images: bone lengths, reprojection, identities.

    .venv/bin/python bench/accuracy_tracking.py ../shared/data/multiview/pose2sim_2person_4cam.npz

Four cameras, 100 frames at 60 Hz (Pose2Sim's demonstration), BODY_25B keypoints with a score of 0.3 or more, 10 px.
"""

import sys

import numpy as np
from numpy.typing import NDArray

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
    pictures = []
    for t in range(len(kpts)):
        for c, camera in enumerate(cameras):
            k = kpts[t, c, : count[t, c]]
            px = np.where(k[..., 2:] < 0.3, np.nan, k[..., :2])
            pictures.append(Keypoints(camera.id, t * 1_000_000_000 // 60, px, np.full(px.shape[:2], SIGMA_PX)))
    tracker = Tracker(cameras)
    told = tracker.push(pictures) + tracker.flush()
    views = len(cameras)
    for i in sorted({int(i) for frame in told for i in frame.ids}):
        px, filtered = np.full((len(kpts), 8, views, 2), np.nan), np.full((len(kpts), 8, 3), np.nan)
        seen = np.zeros(views, int)
        for n, (frame, picture) in enumerate(zip(told, pictures, strict=True)):
            for d in np.flatnonzero(frame.detections == i):
                px[n // views, :, n % views] = picture.px[d]
                seen[n % views] += 1
            for row in np.flatnonzero(frame.ids == i):
                filtered[n // views] = frame.joints_m[row]
        plain = triangulate(cameras, px.reshape(-1, views, 2), SIGMA_PX).xyz_m.reshape(-1, 8, 3)
        both = np.where(np.isnan(plain) | np.isnan(filtered), np.nan, 1)
        rows = {"tracks": filtered * both, "triangulation": plain * both}
        figures = [f"{n} {spread_mm(j):.1f} mm {rms_px(cameras, j, px):.2f} px" for n, j in rows.items()]
        print(f"id {i}: seen in {'/'.join(map(str, seen))} pictures; bones and reprojection: {'; '.join(figures)}")


if __name__ == "__main__":
    main(sys.argv[1])
