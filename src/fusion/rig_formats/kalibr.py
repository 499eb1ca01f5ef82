"""Kalibr's camera chain (YAML): pinholes with ``radtan`` or ``equidistant`` distortion.

``T_cn_cnm1`` takes points from the camera before to this one. Where every camera has ``T_cam_imu``, the world is the
IMU's frame, else the first camera's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.extras import require
from fusion.rig_formats import documents

MODELS = {"radtan": "pinhole", "equidistant": "fisheye", "none": "pinhole"}


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read a camera chain."""
    chain = documents.load_map(path)
    names = [f"cam{i}" for i in range(len(chain))]
    if set(names) != set(chain):
        raise RecordingError(path, f"cameras must be named cam0, cam1, ...; got {', '.join(sorted(chain))}")
    by_imu = all(isinstance(c, dict) and c.get("T_cam_imu") is not None for c in chain.values())
    pose, cameras = np.eye(4), []
    for i, name in enumerate(names):
        c = documents.convert(path, {name: chain[name]}, dict[str, dict[str, Any]])[name]
        key = "T_cam_imu" if by_imu else "T_cn_cnm1"
        if by_imu or i > 0:
            step = documents.array(path, f"{name}.{key}", c.get(key), (4, 4))
            if not np.array_equal(step[3], [0, 0, 0, 1]):
                raise RecordingError(
                    path, f"must end in the row 0, 0, 0, 1; got {step[3].tolist()}", field=f"{name}.{key}"
                )
            with np.errstate(all="ignore"):
                pose = step if by_imu else step @ pose
        cameras.append(_camera(path, name, c, pose, unit_m))
    return cameras


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write a camera chain, the world as the IMU's frame."""
    chain: dict[str, Any] = {}
    before = np.eye(4)
    for i, camera in enumerate(rig):
        documents.no_skew(camera)
        K, pose = camera.matrix, np.eye(4)
        pose[:3, :3], pose[:3, 3] = camera.rotation, camera.translation_m
        chain[f"cam{i}"] = {
            "camera_model": "pinhole",
            "intrinsics": [float(v) for v in (K[0, 0], K[1, 1], K[0, 2], K[1, 2])],
            "distortion_model": "equidistant" if camera.model == "fisheye" else "radtan",
            "distortion_coeffs": documents.coefficients(camera, 4),
            "resolution": list(camera.size_px),
            "rostopic": camera.id,
            "T_cam_imu": pose.tolist(),
        }
        if i > 0:
            chain[f"cam{i}"]["T_cn_cnm1"] = (pose @ np.linalg.inv(before)).tolist()
        before = pose
    text = require("yaml", extra="rig").safe_dump(chain, sort_keys=False, default_flow_style=None)
    path.write_text(text, encoding="utf-8")


def _camera(path: Path, name: str, c: dict[str, Any], pose: Any, unit_m: float) -> Camera:
    if c.get("camera_model") != "pinhole":
        raise RecordingError(path, f"must be pinhole; got {c.get('camera_model')!r}", field=f"{name}.camera_model")
    distortion_model = c.get("distortion_model", "none")
    if distortion_model not in MODELS:
        expected = ", ".join(MODELS)
        raise RecordingError(
            path, f"must be one of {expected}; got {distortion_model!r}", field=f"{name}.distortion_model"
        )
    fx, fy, cx, cy = documents.array(path, f"{name}.intrinsics", c.get("intrinsics"), (4,))
    distortion = np.zeros(0)
    if distortion_model != "none":
        distortion = documents.array(path, f"{name}.distortion_coeffs", c.get("distortion_coeffs"), (4,))
    return documents.camera(
        path,
        name,
        unit_m,
        id=str(c.get("rostopic") or name),
        matrix=[[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
        rotation=pose[:3, :3],
        translation=pose[:3, 3],
        distortion=distortion,
        size_px=c.get("resolution", (0, 0)),
        model=MODELS[distortion_model],
    )
