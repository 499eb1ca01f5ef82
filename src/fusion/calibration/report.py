"""What a calibration found, and how good it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.calibration.observations import Array, BoardObservations
from fusion.rig import CameraRig

FORMAT = "fusion.calibration/1"


@dataclass(frozen=True, slots=True, eq=False)
class CameraFit:
    """How well a camera is known.

    Parameters
    ----------
    id : str
        The camera.
    rms_px : float
        Root of the mean squared distance between corners and reprojections, over the corners used, pixels.
    noise_px : float
        Standard deviation of a corner in x and in y, pixels, estimated from the residuals.
    within_px : float
        The same if the camera could move the board for itself in each view. Where `noise_px` is much larger, the camera
        disagrees with the others about where the board was: most often it took its images at other instants. The
        covariance, which believes that errors of corners are independent, is then too small.
    views, corners, outliers : int
        How many views and corners there were, and how many corners were left out because nothing explains them.
    names : tuple of str
        The q parameters: ``fx, fy, cx, cy``, the distortion's, ``rx, ry, rz``, ``x, y, z``.
    covariance : (q, q) float64
        Their covariance, in pixels, radians and metres. The rotation's is that of a small turn d on top, in the
        camera's frame: ``exp([d]_x) @ rotation``; x, y, z are the translation. Zero where the pose defines the world.
    """

    id: str
    rms_px: float
    noise_px: float
    within_px: float
    views: int
    corners: int
    outliers: int
    names: tuple[str, ...]
    covariance: Array

    @property
    def sigma(self) -> Array:
        """Standard deviations of the parameters, (q,)."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True, slots=True, eq=False)
class ViewFit:
    """Where the board was in a view, board to world: ``x_world = rotation @ x_board + translation_m``.

    Parameters
    ----------
    view : int
        The view's label.
    rotation, translation_m : (3, 3), (3,) float64
        The pose.
    rms_px : float
        As of `CameraFit`, over all cameras; NaN where every corner was left out.
    """

    view: int
    rotation: Array
    translation_m: Array
    rms_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A calibrated rig and its report.

    Parameters
    ----------
    rig : CameraRig
        The cameras, in the order of the observations.
    cameras : tuple of CameraFit
        How well each is known.
    views : tuple of ViewFit
        Where the board was.
    rms_px : float
        As of `CameraFit`, over all cameras.
    board_rms_m : float
        Root of the mean squared distance between the board's corners as triangulated from two cameras or more and the
        board itself, moved rigidly onto them in each view, metres; NaN where no view allows it. The views are those of
        the calibration, so it is somewhat smaller than that of other views would be.
    covariance : (V q, V q) float64
        Of the parameters of all cameras, camera after camera in the order of `CameraFit.names`.
    inliers : (M,) bool
        Which observations were used.
    unused : int
        How many observations belong to views that no camera saw well enough to know the board's pose.
    """

    rig: CameraRig
    cameras: tuple[CameraFit, ...]
    views: tuple[ViewFit, ...]
    rms_px: float
    board_rms_m: float
    covariance: Array
    inliers: NDArray[np.bool_]
    unused: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a document (JSON): cameras with standard deviations and covariances, views, errors."""
        return {
            "format": FORMAT,
            "rms_px": self.rms_px,
            "board_rms_m": _or_none(self.board_rms_m),
            "unused_corners": self.unused,
            "cameras": [
                {
                    "id": fit.id,
                    "model": camera.model,
                    "size_px": list(camera.size_px),
                    "matrix": camera.matrix.tolist(),
                    "distortion": camera.distortion.tolist(),
                    "rotation": camera.rotation.tolist(),
                    "translation_m": camera.translation_m.tolist(),
                    "center_m": camera.center_m.tolist(),
                    "rms_px": _or_none(fit.rms_px),
                    "noise_px": fit.noise_px,
                    "within_px": fit.within_px,
                    "views": fit.views,
                    "corners": fit.corners,
                    "outliers": fit.outliers,
                    "sigma": dict(zip(fit.names, fit.sigma.tolist(), strict=True)),
                    "covariance": fit.covariance.tolist(),
                }
                for fit, camera in zip(self.cameras, self.rig, strict=True)
            ],
            "views": [
                {
                    "view": view.view,
                    "rotation": view.rotation.tolist(),
                    "translation_m": view.translation_m.tolist(),
                    "rms_px": _or_none(view.rms_px),
                }
                for view in self.views
            ],
        }


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def board_residuals_m(rig: CameraRig, observations: BoardObservations, sigma_px: float = 1.0) -> Array:
    """Compute how far triangulated corners lie from the board, moved rigidly onto them: an error in metres.

    Parameters
    ----------
    rig : CameraRig
        The cameras, in the order of the observations'.
    observations : BoardObservations
        What they saw.
    sigma_px : float
        Standard deviation of a corner, pixels.

    Returns
    -------
    (K,) float64
        Distances of the corners that two cameras or more saw, in views with four or more of them, after the best
        rotation and translation of each view (Kabsch 1976).

    Raises
    ------
    ValueError
        If the rig's cameras are not those of the observations.
    """
    if rig.ids != observations.cameras:
        raise ValueError(f"rig must have the cameras {', '.join(observations.cameras)}; got {', '.join(rig.ids)}")
    keys, point = np.unique(np.column_stack([observations.view, observations.corner]), axis=0, return_inverse=True)
    px = np.full((len(keys), len(rig), 2), np.nan)
    px[point.ravel(), observations.camera] = observations.px
    xyz = rig.triangulate(px, sigma_px).xyz_m
    known = np.isfinite(xyz).all(axis=1)
    residuals = [np.zeros(0)]
    for view in np.unique(keys[:, 0]):
        mine = known & (keys[:, 0] == view)
        if mine.sum() >= 4:
            residuals.append(_rigid(observations.board_m[keys[mine, 1]], xyz[mine]))
    return np.concatenate(residuals)


def _rigid(a: Array, b: Array) -> Array:
    """Return the distances that remain after the best rotation and translation of a onto b."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    U, _, Vt = np.linalg.svd(b.T @ a)
    R = U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    return np.asarray(np.linalg.norm(b - a @ R.T, axis=1))
