import numpy as np
from numpy.typing import NDArray

def level() -> str: ...
def triangulate(
    cameras: NDArray[np.float64],
    px: NDArray[np.float64],
    sigma_px: NDArray[np.float64],
    gate: float,
    xyz_m: NDArray[np.float64],
    covariance_m2: NDArray[np.float64],
    figures: NDArray[np.float64],
    views: NDArray[np.int32],
    status: NDArray[np.uint8],
    inliers: NDArray[np.uint8],
) -> None: ...
def project(cameras: NDArray[np.float64], xyz_m: NDArray[np.float64], px: NDArray[np.float64]) -> None: ...
def undistort(
    cameras: NDArray[np.float64],
    px: NDArray[np.float64],
    rays: NDArray[np.float64],
    residual_px: NDArray[np.float64],
) -> None: ...
