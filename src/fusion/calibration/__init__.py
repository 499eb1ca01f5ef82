"""Calibration of cameras from views of a ChArUco board, and of the clocks of cameras and scales.

`calibrate` needs the extra ``vision`` (OpenCV and scipy); `estimate_clock_offset` needs numpy alone.
"""

from fusion.calibration.cameras import calibrate
from fusion.calibration.files import read_observations
from fusion.calibration.observations import BoardObservations, charuco_corners
from fusion.calibration.report import Calibration, CameraFit, ViewFit, board_residuals_m

__all__ = [
    "BoardObservations",
    "Calibration",
    "CameraFit",
    "ViewFit",
    "board_residuals_m",
    "calibrate",
    "charuco_corners",
    "read_observations",
]
