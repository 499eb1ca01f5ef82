"""Cameras that see one world: read from calibration files, and from pixels to 3-D points."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import triangulation, validation
from fusion.camera import Camera
from fusion.triangulation import Rays, Triangulation


class CameraRig(Sequence[Camera]):
    """Calibrated cameras in one world frame; a sequence of `Camera` in the order of the columns of pixels.

    Parameters
    ----------
    cameras : sequence of Camera
        At least one, with unique ids.

    Raises
    ------
    TypeError
        If `cameras` is no sequence of `Camera`.
    ValueError
        If it is empty or an id comes twice.
    """

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self.cameras = validation.instances("cameras", cameras, Camera)
        if not self.cameras:
            raise ValueError("cameras must not be empty")
        validation.unique("camera ids", (camera.id for camera in self.cameras))

    @overload
    def __getitem__(self, index: int) -> Camera: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Camera, ...]: ...
    def __getitem__(self, index: int | slice) -> Camera | tuple[Camera, ...]:
        return self.cameras[index]

    def __len__(self) -> int:
        return len(self.cameras)

    def __repr__(self) -> str:
        return f"CameraRig({', '.join(self.ids)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The cameras' identifiers, in order."""
        return tuple(camera.id for camera in self.cameras)

    def subset(self, ids: Iterable[str]) -> "CameraRig":
        """Return the rig of some of the cameras, in the order given.

        Raises
        ------
        ValueError
            If an id is unknown or comes twice, or none is given.
        """
        known = dict(zip(self.ids, self.cameras, strict=True))
        wanted = tuple(ids)
        for name in wanted:
            if name not in known:
                raise ValueError(f"ids must name cameras of the rig ({', '.join(self.ids)}); got {name!r}")
        return CameraRig([known[name] for name in wanted])

    @classmethod
    def read(cls, path: Path | str, *, format: str | None = None, unit_m: float = 1.0) -> "CameraRig":
        """Read a calibration file; see `fusion.rig_formats.read_rig`."""
        from fusion.rig_formats import read_rig

        return read_rig(path, format=format, unit_m=unit_m)

    def write(self, path: Path | str, *, format: str) -> None:
        """Write a calibration file; see `fusion.rig_formats.write_rig`."""
        from fusion.rig_formats import write_rig

        write_rig(self, path, format=format)

    def project(self, xyz_m: ArrayLike) -> NDArray[np.float64]:
        """Compute the images (N, V, 2) of points (N, 3); see `fusion.project`."""
        return triangulation.project(self.cameras, xyz_m)

    def unproject(self, px: ArrayLike) -> Rays:
        """Compute the rays of pixels (N, V, 2), and the residuals; see `fusion.unproject`."""
        return triangulation.unproject(self.cameras, px)

    def triangulate(
        self, px: ArrayLike, sigma_px: ArrayLike = 1.0, *, robust: bool = False, rejection: float = 1e-6
    ) -> Triangulation:
        """Triangulate N points from their images (N, V, 2); see `fusion.triangulate`."""
        return triangulation.triangulate(self.cameras, px, sigma_px, robust=robust, rejection=rejection)

    def triangulate_ragged(
        self,
        counts: ArrayLike,
        camera: ArrayLike,
        px: ArrayLike,
        sigma_px: ArrayLike = 1.0,
        *,
        robust: bool = False,
        rejection: float = 1e-6,
    ) -> Triangulation:
        """Triangulate N points from a list of M observations, point after point.

        Parameters
        ----------
        counts : (N,) int64
            How many observations each point has; their sum is M.
        camera : (M,) int64
            Index of the camera of each observation; a camera sees a point once at most.
        px : (M, 2) float64
            The observations, pixels.
        sigma_px : float or (M,) float64
            Standard deviation of each observation in x and in y, pixels.
        robust : bool
            Whether images that disagree with the others are left out.
        rejection : float
            As of `fusion.triangulate`.

        Returns
        -------
        Triangulation
            As of `triangulate`, except that ``inliers`` is (M,): which observations were used.

        Raises
        ------
        TypeError
            If an argument cannot be converted.
        ValueError
            If a shape differs, an index is out of range, or a camera sees a point twice.
        """
        n = validation.array("counts", counts, np.int64, (None,))
        index = validation.array("camera", camera, np.int64, (None,))
        m = len(index)
        if ((n < 0) | (n > m)).any() or n.sum() != m:  # in this order: a sum of huge counts could wrap around
            raise ValueError(f"counts must not be negative and add up to the {m} observations; got {n}")
        if ((index < 0) | (index >= len(self))).any():
            raise ValueError(f"camera must lie in [0, {len(self)}); got {index.min()} to {index.max()}")
        pixels = validation.array("px", px, np.float64, (m, 2))
        point = np.repeat(np.arange(len(n)), n)
        if (np.bincount(point * len(self) + index, minlength=1) > 1).any():
            raise ValueError("camera must name a camera once at most for each point; one comes twice")
        dense = np.full((len(n), len(self), 2), np.nan)
        dense[point, index] = pixels
        sigma: ArrayLike = sigma_px
        if np.ndim(sigma_px) != 0:
            sigma = np.full((len(n), len(self)), np.nan)
            sigma[point, index] = validation.array("sigma_px", sigma_px, np.float64, (m,))
        result = self.triangulate(dense, sigma, robust=robust, rejection=rejection)
        return replace(result, inliers=result.inliers[point, index])
