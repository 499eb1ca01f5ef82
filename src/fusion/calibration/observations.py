"""What cameras saw of a calibration board: the corners, view by view."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fusion import validation

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class BoardObservations:
    """Corners of one flat board that several cameras saw at the same instants.

    Parameters
    ----------
    cameras : sequence of V str
        The cameras' ids, unique.
    camera : (M,) int64
        Index of the camera of each observation.
    view : (M,) int64
        Which view each observation belongs to: while one lasts, the board does not move.
    corner : (M,) int64
        Which corner of the board it is.
    px : (M, 2) float64
        Where the camera saw it, pixels.
    board_m : (B, 3) float64
        Places of the board's corners in the board's frame, metres; they lie in the plane z = 0.
    sizes_px : (V, 2) int64, optional
        Width and height of each camera's images; 0 where unknown.

    Raises
    ------
    TypeError
        If an argument cannot be converted.
    ValueError
        If a shape differs, an index is out of range, a number is not finite, the board is not flat, or a camera saw a
        corner twice in a view; names what.
    """

    cameras: Sequence[str]
    camera: NDArray[np.int64]
    view: NDArray[np.int64]
    corner: NDArray[np.int64]
    px: NDArray[np.float64]
    board_m: NDArray[np.float64]
    sizes_px: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "cameras", validation.instances("cameras", self.cameras, str))
        validation.unique("cameras", (validation.identifier("cameras", name) for name in self.cameras))
        set_(self, "camera", validation.array("camera", self.camera, np.int64, (None,)))
        m, v = len(self.camera), len(self.cameras)
        for name in ("view", "corner"):
            set_(self, name, validation.array(name, getattr(self, name), np.int64, (m,)))
        set_(self, "px", validation.array("px", self.px, np.float64, (m, 2), finite=True))
        set_(self, "board_m", validation.array("board_m", self.board_m, np.float64, (None, 3), finite=True))
        if not len(self.sizes_px):
            set_(self, "sizes_px", np.zeros((v, 2), np.int64))
        set_(self, "sizes_px", validation.array("sizes_px", self.sizes_px, np.int64, (v, 2)))
        if (self.sizes_px < 0).any():
            raise ValueError(f"sizes_px must not be negative; got {self.sizes_px.tolist()}")
        for name, limit in (("camera", v), ("corner", len(self.board_m))):
            index = getattr(self, name)
            if ((index < 0) | (index >= limit)).any():
                raise ValueError(f"{name} must lie in [0, {limit}); got {index.min()} to {index.max()}")
        if self.board_m[:, 2].any():
            raise ValueError("board_m must lie in the plane z = 0")
        self._refuse_twins()

    def _refuse_twins(self) -> None:
        keys = np.column_stack([self.view, self.camera, self.corner])
        rows, counts = np.unique(keys, axis=0, return_counts=True)
        if (counts > 1).any():
            view, camera, corner = rows[counts > 1][0].tolist()
            raise ValueError(f"camera {self.cameras[camera]!r} must see a corner once; twice {corner} in view {view}")

    def subset(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "BoardObservations":
        """Return some of the observations, by a mask or by their indices, of the same cameras."""
        camera, view, corner, px = self.camera[keep], self.view[keep], self.corner[keep], self.px[keep]
        return replace(self, camera=camera, view=view, corner=corner, px=px)

    def of_camera(self, index: int) -> "BoardObservations":
        """Return what one camera saw, as the observations of a rig of its own."""
        mine = self.subset(self.camera == index)
        size_px = self.sizes_px[index : index + 1]
        return replace(mine, cameras=(self.cameras[index],), camera=np.zeros_like(mine.camera), sizes_px=size_px)


def charuco_corners(columns: int, rows: int, square_m: float) -> NDArray[np.float64]:
    """Return the places (B, 3) of a ChArUco board's corners, numbered row by row as OpenCV does.

    Parameters
    ----------
    columns, rows : int
        How many squares the board has, at least 3 each: ``(columns - 1) (rows - 1)`` corners lie between them.
    square_m : float
        Length of a square's side, metres.

    Raises
    ------
    TypeError
        If an argument is no number of its kind.
    ValueError
        If the board is smaller or a square has no length.
    """
    for name, count in (("columns", columns), ("rows", rows)):
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
            raise TypeError(f"{name} must be an integer; got {type(count).__name__}")
        validation.number(name, count, at_least=3, at_most=1000)
    square_m = validation.number("square_m", square_m, above=0)
    y, x = np.mgrid[1:rows, 1:columns]
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) * square_m
