"""Where bundle adjustment starts: each camera alone, then poses chained over the views that cameras share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.calibration.bundle import Bundle
from fusion.calibration.lens import Lens
from fusion.calibration.observations import Array, BoardObservations
from fusion.extras import require

FEWEST_CORNERS = 6
"""Corners of a view that tell about a lens: four fix the board's pose, and two are left over."""
FEWEST_VIEWS = 3
"""Views of a plane that fix fx, fy, cx and cy with something left over (Zhang 2000, section 3.1)."""
BENT = 0.05
"""How far a good corner may lie from the flat picture of its view, of the board's extent there: lenses bend."""
WIDEST = np.radians(np.arange(10, 90, 5))
"""Angles off the axis at which a fisheye's outermost corner is tried; the one with the best fit is the start."""

Poses = dict[int, Array]
"""Label of each view to the pose (4, 4) of the board in a camera's frame."""


def alone(observations: BoardObservations, model: str, distortion: int) -> tuple[Lens, Poses]:
    """Calibrate one camera roughly, from the views that fix the board's pose; return its lens and those poses.

    The principal point stays in the image's middle, fx equals fy and one coefficient is estimated: the views of one
    camera may not tell more, and those of all cameras together will.

    Raises
    ------
    ValueError
        If there are too few such views, or OpenCV finds no lens; names the camera.
    """
    (name,) = observations.cameras
    kept = observations.subset(_on_a_plane(observations))
    count = len(np.unique(kept.view))
    if count < FEWEST_VIEWS:
        raise ValueError(
            f"camera {name!r} needs at least {FEWEST_VIEWS} views with {FEWEST_CORNERS} corners or more that are not "
            f"on one line; got {count}"
        )
    cv2 = require("cv2", extra="vision")
    try:
        with _one_thread(cv2):
            lens, rotation, translation_m = _opencv(kept, model, distortion)
    except cv2.error as error:
        raise ValueError(undetermined(name, "lens")) from error
    labels = np.unique(kept.view).tolist()
    return lens, {label: pose(R, t) for label, R, t in zip(labels, rotation, translation_m, strict=True)}


def undetermined(camera: str, what: str) -> str:
    """Return the message about a camera of which the views do not tell enough."""
    return (
        f"camera {camera!r}: its views of the board do not determine its {what}; add views in which the board is "
        "tilted, in several directions, and reaches other parts of the image"
    )


def _on_a_plane(observations: BoardObservations) -> NDArray[np.bool_]:
    """Tell the corners of views that have enough of them, and that a plane's picture nearly explains."""
    cv2 = require("cv2", extra="vision")
    good = np.zeros(len(observations.px), bool)
    for view in np.unique(observations.view):
        mine = np.flatnonzero(observations.view == view)
        place, px = observations.board_m[observations.corner[mine], :2], observations.px[mine]
        if len(mine) < FEWEST_CORNERS or _collinear(place) or _collinear(px):
            continue
        extent = np.sqrt(np.ptp(px[:, 0]) * np.ptp(px[:, 1]))
        H, mask = cv2.findHomography(place, px, cv2.RANSAC, max(BENT * extent, 1.0))
        if H is not None and mask.sum() >= FEWEST_CORNERS and not _collinear(place[mask.ravel() > 0]):
            good[mine] = mask.ravel() > 0
    return good


def _collinear(points: Array) -> bool:
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(values[1] < 1e-3 * values[0])


@contextmanager
def _one_thread(cv2: Any) -> Iterator[None]:
    """Keep OpenCV to one thread: several add up their sums in any order, and no two runs would have the same bits."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _opencv(observations: BoardObservations, model: str, distortion: int) -> tuple[Lens, Array, Array]:
    """Return OpenCV's calibration (Zhang 2000) of few parameters: lens, rotations (W, 3, 3), translations (W, 3)."""
    cv2 = require("cv2", extra="vision")
    views = [observations.view == view for view in np.unique(observations.view)]
    places = [observations.board_m[observations.corner[mine]][:, None].astype(np.float32) for mine in views]
    size = observations.sizes_px[0]
    if not size.all():  # the middle of what was seen is a start for the principal point too
        size = np.maximum(observations.px.min(axis=0) + observations.px.max(axis=0), 2).astype(np.int64)
    fixed = cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_ZERO_TANGENT_DIST
    fixed |= cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3

    def solved(px: Array, K: Array, flags: int) -> Any:
        pixels = [px[mine][:, None].astype(np.float32) for mine in views]
        return cv2.calibrateCamera(places, pixels, size.tolist(), K, None, flags=fixed | flags)

    if model == "pinhole":
        _, K, d, turns, shifts = solved(observations.px, np.eye(3), 0 if distortion else cv2.CALIB_FIX_K1)
    else:
        flags = cv2.CALIB_FIX_K1 | cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_FOCAL_LENGTH
        flat = [solved(*_flattened(observations.px, (size - 1) / 2, angle), flags) for angle in WIDEST]
        _, K, d, turns, shifts = min(flat, key=lambda solution: float(solution[0]))
    coefficients = np.zeros(distortion)
    coefficients[:1] = d.ravel()[: min(distortion, 1)]
    lens = Lens(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2], *coefficients]), model)
    return lens, np.array([cv2.Rodrigues(turn)[0] for turn in turns]), np.array(shifts).reshape(-1, 3)


def _flattened(px: Array, centre: Array, widest: float) -> tuple[Array, Array]:
    """Return what a pinhole would see of an equidistant fisheye's picture (r = f theta), and the matrix of both.

    The focal length is such that the outermost corner lies at the angle `widest`.
    """
    offset = px - centre
    r = np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-9)
    f = r.max() / widest
    return centre + offset * (f * np.tan(r / f) / r), np.array([[f, 0, centre[0]], [0, f, centre[1]], [0, 0, 1]])


def pose(R: Any, t: Any) -> Array:
    """Return a rotation and a translation as one matrix (4, 4)."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def chain(names: tuple[str, ...], seen: Sequence[Poses]) -> list[Array]:
    """Return the pose (4, 4) of every camera, from the first camera's frame to its own.

    Pairs of cameras are tied by the views they share; of the ties the spanning tree with the most shared views is kept.

    Raises
    ------
    ValueError
        If cameras cannot be tied; names them.
    """
    csgraph = require("scipy.sparse.csgraph", extra="vision")
    count = len(names)
    cost = np.zeros((count, count))
    for a in range(count):
        for b in range(a):
            shared = len(seen[a].keys() & seen[b].keys())
            cost[a, b] = 1 / shared if shared else 0.0
    groups, group = csgraph.connected_components(cost, directed=False)
    if groups > 1:
        islands = [", ".join(n for n, g in zip(names, group, strict=True) if g == i) for i in range(groups)]
        raise ValueError(
            "cameras must be tied by views of the board that they share, each with "
            f"{FEWEST_CORNERS} corners or more; these groups share none: {' | '.join(islands)}"
        )
    order, before = csgraph.breadth_first_order(csgraph.minimum_spanning_tree(cost), 0, directed=False)
    result = [np.eye(4)] * count
    for i in order[1:].tolist():
        result[i] = _between(seen[before[i]], seen[i]) @ result[before[i]]
    return result


def _between(a: Poses, b: Poses) -> Array:
    """Return the pose that takes the frame of camera a to that of b: of those of single views the most central.

    A flat board seen from afar has two poses that look nearly alike, so some views may tell the wrong one.
    """
    shared = sorted(a.keys() & b.keys())
    steps = np.array([b[v] @ np.linalg.inv(a[v]) for v in shared])
    depth = np.median([np.linalg.norm(b[v][:3, 3]) for v in shared])
    cosine = (np.einsum("aij,bij->ab", steps[:, :3, :3], steps[:, :3, :3]) - 1) / 2
    shift = np.linalg.norm(steps[:, None, :3, 3] - steps[None, :, :3, 3], axis=2) / depth
    return np.asarray(steps[(np.arccos(np.clip(cosine, -1, 1)) + shift).sum(axis=1).argmin()])


def boards(bundle: Bundle, cameras: list[Array], lenses: tuple[Lens, ...], seen: Sequence[Poses]) -> list[Array]:
    """Return the pose (4, 4) of the board in the world for every view: of those that its cameras tell the best."""
    result = []
    for w, label in enumerate(bundle.labels.tolist()):
        tried = [np.linalg.inv(cameras[c]) @ known[label] for c, known in enumerate(seen) if label in known]
        mine = bundle.view == w
        result.append(min(tried, key=lambda T: _misfit(bundle, cameras, lenses, T, mine)))
    return result


def _misfit(bundle: Bundle, cameras: list[Array], lenses: tuple[Lens, ...], T: Array, mine: NDArray[np.bool_]) -> float:
    """Return the sum of distances in a view; infinity where the board would lie behind a camera."""
    total = 0.0
    for c in np.unique(bundle.camera[mine]).tolist():
        rows = mine & (bundle.camera == c)
        step = cameras[c] @ T
        px, _, _ = lenses[c].project(bundle.place_m[rows] @ step[:3, :3].T + step[:3, 3])
        total += float(np.linalg.norm(px - bundle.px[rows], axis=1).sum())
    return total if np.isfinite(total) else np.inf
