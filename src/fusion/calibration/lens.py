"""Images of points in a camera's own frame, with their derivatives; both are OpenCV's."""

from dataclasses import dataclass

import numpy as np

from fusion.calibration.observations import Array
from fusion.camera import Camera
from fusion.extras import require

NAMES = {
    "pinhole": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6", "s1", "s2", "s3", "s4", "tx", "ty"),
    "fisheye": ("k1", "k2", "k3", "k4"),
}
"""The distortion coefficients of each model, in the order of `Camera.distortion`."""


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """A camera without its place: fx, fy, cx, cy and the distortion.

    Parameters
    ----------
    parameters : (4 + D,) float64
        ``fx, fy, cx, cy`` in pixels, then the coefficients.
    model : {"pinhole", "fisheye"}
        As of `Camera`.
    """

    parameters: Array
    model: str

    @property
    def matrix(self) -> Array:
        """The intrinsic matrix K."""
        fx, fy, cx, cy = self.parameters[:4]
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("fx", "fy", "cx", "cy", *NAMES[self.model][: len(self.parameters) - 4])

    def camera(self, id: str, rotation: Array, translation_m: Array, size_px: tuple[int, int]) -> Camera:
        """Return the camera of this lens at a place."""
        return Camera(id, self.matrix, rotation, translation_m, self.parameters[4:], size_px, self.model)

    def project(self, xyz_m: Array) -> tuple[Array, Array, Array]:
        """Compute images and derivatives of N points in the camera's frame.

        Returns
        -------
        px : (N, 2)
            Pixels; NaN behind the camera.
        by_point : (N, 2, 3)
            Derivatives by the points.
        by_lens : (N, 2, 4 + D)
            Derivatives by `parameters`.
        """
        cv2 = require("cv2", extra="vision")
        d, zero = self.parameters[4:], np.zeros(3)
        count = len(d)
        if self.model == "fisheye":
            coefficients = d if count else np.zeros(4)
            px, J = cv2.fisheye.projectPoints(xyz_m[:, None], zero, zero, self.matrix, coefficients)
            J = J.reshape(-1, 2, 15)
            by_point, by_lens = J[..., 11:14], J[..., : 4 + count]
        else:
            px, J = cv2.projectPoints(xyz_m, zero, zero, self.matrix, d if count else np.zeros(4))[:2]
            J = J.reshape(-1, 2, J.shape[1])
            by_point, by_lens = J[..., 3:6], J[..., 6 : 10 + count]
        behind = xyz_m[:, 2] <= 0
        px = px.reshape(-1, 2)
        px[behind] = np.nan
        return px, by_point, by_lens
