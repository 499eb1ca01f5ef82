"""From what cameras saw of a board to a calibrated rig."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.calibration import start
from fusion.calibration.bundle import Bundle, State, UndeterminedError
from fusion.calibration.lens import Lens
from fusion.calibration.observations import BoardObservations
from fusion.calibration.report import Calibration, CameraFit, ViewFit, board_residuals_m
from fusion.calibration.robust import Fit, adjust
from fusion.camera import COEFFICIENTS
from fusion.rig import CameraRig

WORST_FOCAL = 0.1
"""Relative standard deviation of a focal length from which on the views are said not to determine it."""


def calibrate(
    observations: BoardObservations,
    *,
    model: str = "pinhole",
    distortion: int | None = None,
    world_view: int | None = None,
    rejection: float = 1e-6,
) -> Calibration:
    """Estimate lenses and poses of cameras, and their covariance, from views of a board.

    Each camera is calibrated alone by OpenCV (Zhang 2000, "A Flexible New Technique for Camera Calibration"), poses are
    chained over a spanning tree of shared views, and all is adjusted together by maximum likelihood: lenses, poses of
    cameras, and the board's pose in every view. Corners that disagree with all others are left out. The covariance
    is the inverse of the normal equations, each camera's corners weighted by their own noise. No random numbers are
    involved.

    Parameters
    ----------
    observations : BoardObservations
        What was seen. Each camera needs three views or more with six corners or more, of a board that is tilted in
        several directions; cameras must be tied by shared views.
    model : {"pinhole", "fisheye"}
        The projection, the same for all cameras; see `Camera`.
    distortion : int, optional
        How many coefficients are estimated: of a pinhole 0, 4, 5 (default), 8, 12 or 14, of a fisheye 0 or 4 (default).
    world_view : int, optional
        The view in which the board lies in the world's frame: its corners are then at ``board_m``, and z is the normal.
        By default the world is the first camera's frame.
    rejection : float
        Probability in (0, 1) that noise alone puts a corner beyond the bound, as of `fusion.triangulate`.

    Returns
    -------
    Calibration
        The rig, what fits how well, and the covariance.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, a camera has too few views or views that do not determine it, cameras are not
        tied, or nothing fits; names the camera and what is missing.
    ImportError
        If OpenCV or scipy is missing; the extra ``vision`` brings them.
    """
    validation.instance("observations", observations, BoardObservations)
    count = _coefficients(model, distortion)
    if not 0 < validation.number("rejection", rejection) < 1:
        raise ValueError(f"rejection must lie in (0, 1); got {rejection}")
    if not observations.cameras:
        raise ValueError("observations must have a camera; got none")
    order = np.lexsort((observations.corner, observations.camera, observations.view))
    ordered = observations.subset(order)
    lenses, seen = zip(
        *[start.alone(ordered.of_camera(c), model, count) for c in range(len(observations.cameras))], strict=True
    )
    posed = np.isin(ordered.view, sorted({label for known in seen for label in known}))
    bundle = _bundle(ordered.subset(posed), world_view)
    fit = _adjusted(bundle, _start(bundle, tuple(observations.cameras), lenses, seen), observations.cameras, rejection)
    return _result(observations, order[posed], bundle, fit)


def _coefficients(model: str, distortion: int | None) -> int:
    if not isinstance(model, str) or model not in COEFFICIENTS:
        raise ValueError(f"model must be one of {', '.join(COEFFICIENTS)}; got {model!r}")
    if distortion is None:
        return {"pinhole": 5, "fisheye": 4}[model]
    if isinstance(distortion, bool) or distortion not in COEFFICIENTS[model]:
        expected = ", ".join(map(str, COEFFICIENTS[model]))
        raise ValueError(f"distortion must be one of {expected} for a {model}; got {distortion!r}")
    return distortion


def _bundle(observations: BoardObservations, world_view: int | None) -> Bundle:
    if world_view is None:
        return Bundle(observations, fixed_camera=0)
    if isinstance(world_view, bool) or not isinstance(world_view, (int, np.integer)):
        raise TypeError(f"world_view must be an integer; got {type(world_view).__name__}")
    found = np.flatnonzero(np.unique(observations.view) == world_view)
    if not len(found):
        raise ValueError(f"world_view must be a view in which a camera saw the board's pose; got {world_view!r}")
    return Bundle(observations, fixed_view=int(found[0]))


def _start(bundle: Bundle, names: tuple[str, ...], lenses: tuple[Lens, ...], seen: Sequence[start.Poses]) -> State:
    cameras = start.chain(names, seen)
    boards = start.boards(bundle, cameras, lenses, seen)
    if bundle.fixed_view >= 0:
        world = boards[bundle.fixed_view]
        cameras, boards = [T @ world for T in cameras], [np.linalg.inv(world) @ T for T in boards]
        boards[bundle.fixed_view] = np.eye(4)
    c, b = np.array(cameras), np.array(boards)
    return State(lenses, c[:, :3, :3], c[:, :3, 3], b[:, :3, :3], b[:, :3, 3])


def _adjusted(bundle: Bundle, state: State, cameras: Sequence[str], rejection: float) -> Fit:
    names = (*state.lenses[0].names, *["orientation"] * 3, *["place"] * 3)
    try:
        fit = adjust(bundle, state, rejection)
    except UndeterminedError as error:
        camera, parameter = divmod(error.parameter, len(names))
        raise ValueError(start.undetermined(cameras[camera], names[parameter])) from error
    sigma = np.sqrt(np.diag(fit.covariance.cameras)).reshape(len(cameras), -1)
    for name, lens, deviation in zip(cameras, fit.state.lenses, sigma, strict=True):
        if not (deviation[:2] < WORST_FOCAL * lens.parameters[:2]).all():
            raise ValueError(start.undetermined(name, "focal length"))
    return fit


def _result(observations: BoardObservations, used: NDArray[np.int64], bundle: Bundle, fit: Fit) -> Calibration:
    state, sizes = fit.state, map(tuple, observations.sizes_px.tolist())
    placed = zip(observations.cameras, state.lenses, state.rotation, state.translation_m, sizes, strict=True)
    rig = CameraRig([lens.camera(name, R, t, size) for name, lens, R, t, size in placed])
    covariance = fit.covariance.cameras.copy()
    q = len(covariance) // bundle.count
    if bundle.fixed_camera >= 0:
        fixed = slice(q * (bundle.fixed_camera + 1) - 6, q * (bundle.fixed_camera + 1))
        covariance[fixed] = covariance[:, fixed] = 0.0
    inliers = np.zeros(len(observations.px), bool)
    inliers[used] = fit.inliers
    residuals_m = board_residuals_m(rig, observations.subset(inliers), float(fit.noise_px.max()))
    everywhere = zip(bundle.labels.tolist(), state.board_rotation, state.board_translation_m, strict=True)
    return Calibration(
        rig,
        tuple(_camera(bundle, fit, c, rig.ids[c], covariance) for c in range(len(rig))),
        tuple(ViewFit(label, R, t, _rms(fit, bundle.view == w)) for w, (label, R, t) in enumerate(everywhere)),
        _rms(fit, np.ones(len(bundle.px), bool)),
        float(np.sqrt((residuals_m**2).mean())) if len(residuals_m) else float("nan"),
        covariance,
        inliers,
        len(observations.px) - len(bundle.px),
    )


def _camera(bundle: Bundle, fit: Fit, index: int, name: str, covariance: NDArray[np.float64]) -> CameraFit:
    q = len(covariance) // bundle.count
    mine, own = bundle.camera == index, slice(index * q, index * q + q)
    return CameraFit(
        id=name,
        rms_px=_rms(fit, mine),
        noise_px=float(fit.noise_px[index]),
        within_px=float(fit.within_px[index]),
        views=len(np.unique(bundle.view[mine])),
        corners=int(mine.sum()),
        outliers=int((mine & ~fit.inliers).sum()),
        names=(*fit.state.lenses[index].names, "rx", "ry", "rz", "x", "y", "z"),
        covariance=covariance[own, own],
    )


def _rms(fit: Fit, mine: NDArray[np.bool_]) -> float:
    squares = (fit.residual_px[mine & fit.inliers] ** 2).sum(axis=1)
    return float(np.sqrt(squares.mean())) if len(squares) else float("nan")
