"""Calibration files for the tests: rigs that each format can hold, and texts as the tools write them."""

from collections.abc import Callable
from pathlib import Path

from fusion import Camera, CameraRig
from fusion.rig_formats import write_rig
from rigs import FISHEYE, LENS, ceiling, mixed

NAMES = {
    "opencv": "rig.yaml",
    "colmap": "folder",
    "colmap-binary": "folder",
    "kalibr": "rig.yaml",
    "anipose": "rig.toml",
    "caliscope": "rig.toml",
}
RIGS: dict[str, Callable[[], CameraRig]] = {
    "opencv": mixed,
    "colmap": lambda: CameraRig([*ceiling(3, LENS[:8]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "colmap-binary": lambda: CameraRig([*ceiling(3, LENS[:5]), *renamed(ceiling(2, (), "pinhole"))]),
    "kalibr": lambda: CameraRig([*ceiling(3, LENS[:4]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "anipose": lambda: CameraRig([*ceiling(3, LENS[:5]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "caliscope": lambda: CameraRig([*ceiling(3, LENS[:12]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
}

KALIBR = """
cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.28, 0.07, 0.0002, 1.8e-05]
  distortion_model: radtan
  intrinsics: [458.6, 457.3, 367.2, 248.4]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.11]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.001, 1e-5, 0]
  distortion_model: equidistant
  intrinsics: [457.6, 456.1, 379.9, 255.2]
  resolution: [752, 480]
  rostopic: /cam1/image_raw
cam2:
  T_cn_cnm1:
  - [0.0, -1.0, 0.0, 0.5]
  - [1.0, 0.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  camera_model: pinhole
  distortion_model: none
  intrinsics: [457, 456, 379, 255]
  resolution: [752, 480]
"""
OPENCV_SINGLE = """%YAML:1.0
---
calibration_time: "Mon 01 Jan 2024"
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.3e+02, 0., 3.2e+02, 0.,
       5.31e+02, 2.4e+02, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -2.8e-01, 9.0e-02, 5.0e-04, -4.0e-04, 0. ]
"""
COLMAP_CAMERAS = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
1 SIMPLE_RADIAL 3072 2304 2559.81 1536 1152 -0.0204997
2 PINHOLE 3072 2304 2560.56 2561 1536 1152
"""
COLMAP_IMAGES = """# Image list with two lines of data per image:
1 0.851773 0.0165051 0.503764 -0.142941 -0.737434 1.02973 3.74354 1 a.jpg
2362.39 248.498 58396 1784.7 268.254 59027
2 1 0 0 0 0 0 0 2 b.jpg

"""


def renamed(rig: CameraRig) -> list[Camera]:
    return [
        Camera(f"other{c.id}", c.matrix, c.rotation, c.translation_m, c.distortion, c.size_px, c.model) for c in rig
    ]


def written(name: str, folder: Path) -> Path:
    path = folder / NAMES[name]
    write_rig(RIGS[name](), path, format=name)
    return path
