"""Calibration of cameras from views of a ChArUco board, and of the clocks of cameras and scales.

`calibrate` needs the extra ``vision`` (OpenCV and scipy); `estimate_clock_offset` and `compare_clocks` need
numpy alone.
"""

from fusion.calibration.cameras import calibrate
from fusion.calibration.clock import ClockOffset, estimate_clock_offset
from fusion.calibration.comparison import compare_clocks
from fusion.calibration.files import read_observations
from fusion.calibration.images import detect_corners
from fusion.calibration.motion import arm_reach
from fusion.calibration.observations import BoardObservations, charuco_corners
from fusion.calibration.report import Calibration, CameraFit, ViewFit, board_residuals_m

__all__ = [
    "BoardObservations",
    "Calibration",
    "CameraFit",
    "ClockOffset",
    "ViewFit",
    "arm_reach",
    "board_residuals_m",
    "calibrate",
    "charuco_corners",
    "compare_clocks",
    "detect_corners",
    "estimate_clock_offset",
    "read_observations",
]
