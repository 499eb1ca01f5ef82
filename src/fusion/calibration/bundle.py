"""Bundle adjustment of cameras and board poses: residuals, the normal equations and their solution.

The sum of squared reprojection errors is minimised by Levenberg-Marquardt. Every observation touches one camera and one
view only, so the normal equations are ``[[A, C], [C', B]]`` with B in blocks of 6 x 6, one a view, that are eliminated
first (Schur complement; Triggs et al. 2000, "Bundle Adjustment - A Modern Synthesis", sections 6 and 9).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion import rotations
from fusion.calibration.lens import Lens
from fusion.calibration.observations import Array, BoardObservations

UNSEEN_PX = 1e6
"""Residual of a corner that the state puts behind its camera: far beyond every real one, so that losses ignore it."""

Loss = Callable[[Array], tuple[float, Array]]
"""From squared residuals (M,) to the total loss and its derivatives by them, the weights (M,)."""
STEPS = 200
"""At most so many steps of one minimisation are tried; dozens suffice."""
LEAST = 1e-12
"""Least relative damping, so that the block of a view with too few corners can be inverted."""


class UndeterminedError(ValueError):
    """The observations do not determine a parameter: its index among those of all cameras is `parameter`."""

    def __init__(self, parameter: int) -> None:
        self.parameter = parameter
        super().__init__(f"parameter {parameter} is not determined")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """V lenses and their poses, world to camera; W poses of the board, board to world."""

    lenses: tuple[Lens, ...]
    rotation: Array
    translation_m: Array
    board_rotation: Array
    board_translation_m: Array

    def moved(self, cameras: Array, boards: Array) -> "State":
        """Return the state after steps (V, q) and (W, 6): lenses and translations are added, rotations turn on top."""
        lenses = tuple(replace(a, parameters=a.parameters + d[:-6]) for a, d in zip(self.lenses, cameras, strict=True))
        return State(
            lenses,
            _turned(self.rotation, cameras[:, -6:-3]),
            self.translation_m + cameras[:, -3:],
            _turned(self.board_rotation, boards[:, :3]),
            self.board_translation_m + boards[:, 3:],
        )


def _turned(rotation: Array, by: Array) -> Array:
    return np.array([rotations.from_vector(d) @ R for d, R in zip(by, rotation, strict=True)]).reshape(-1, 3, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """Residuals (M, 2) of the observations and their derivatives by camera (M, 2, q) and by view (M, 2, 6)."""

    residual_px: Array
    by_camera: Array
    by_board: Array


class Bundle:
    """One problem: which observations there are and what holds the world still.

    Parameters
    ----------
    observations : BoardObservations
        What was seen, sorted by view and then by camera.
    fixed_camera, fixed_view : int
        The index of the camera, or of the view (in the order of the labels), whose pose is not estimated; the other -1.
    """

    def __init__(self, observations: BoardObservations, *, fixed_camera: int = -1, fixed_view: int = -1) -> None:
        self.camera, self.px = observations.camera, observations.px
        self.labels, self.view = np.unique(observations.view, return_inverse=True)
        self.place_m = observations.board_m[observations.corner]
        self.count = len(observations.cameras)
        self.fixed_camera, self.fixed_view = fixed_camera, fixed_view
        self.pair, self.starts = np.unique(self.view * self.count + self.camera, return_index=True)

    def linearise(self, state: State) -> Linearised:
        """Compute residuals and derivatives."""
        q = len(state.lenses[0].parameters) + 6
        turned = np.einsum("nij,nj->ni", state.board_rotation[self.view], self.place_m)
        world = turned + state.board_translation_m[self.view]
        residual_px, Jc, Jb = np.empty((len(world), 2)), np.zeros((len(world), 2, q)), np.zeros((len(world), 2, 6))
        for c, lens in enumerate(state.lenses):
            mine = self.camera == c
            R = state.rotation[c]
            seen = world[mine] @ R.T
            px, by_point, by_lens = lens.project(seen + state.translation_m[c])
            residual_px[mine] = px - self.px[mine]
            Jc[mine, :, :-6] = by_lens
            if c != self.fixed_camera:
                Jc[mine, :, -6:-3], Jc[mine, :, -3:] = _by_rotation(by_point, seen), by_point
            Jb[mine, :, :3], Jb[mine, :, 3:] = _by_rotation(by_point @ R, turned[mine]), by_point @ R
        Jb[self.view == self.fixed_view] = 0.0
        lost = ~np.isfinite(residual_px).all(axis=1)
        residual_px[lost], Jc[lost], Jb[lost] = UNSEEN_PX, 0.0, 0.0
        return Linearised(residual_px, Jc, Jb)

    def normal(self, at: Linearised, weight: Array) -> "Normal":
        """Assemble the normal equations with a weight (M,) for each observation."""
        v, w, q = self.count, len(self.labels), at.by_camera.shape[2]
        Jc, Jb, r = at.by_camera, at.by_board, at.residual_px
        wJc, wJb = weight[:, None, None] * Jc, weight[:, None, None] * Jb

        def summed(a: Array, b: Array) -> Array:
            return np.asarray(np.add.reduceat(a.transpose(0, 2, 1) @ b, self.starts, axis=0))

        A, C, g = np.zeros((v, q, v, q)), np.zeros((w, v, q, 6)), np.zeros((v, q))
        B, h = np.zeros((w, 6, 6)), np.zeros((w, 6))
        view, camera = np.divmod(self.pair, v)
        boards, pulls = summed(wJb, Jb), summed(wJb, r[..., None])[..., 0]
        C[view, camera] = summed(wJc, Jb)
        cameras = summed(wJc, Jc)
        for c in range(v):
            A[c, :, c] = cameras[camera == c].sum(axis=0)
        np.add.at(B, view, boards)
        np.add.at(g, camera, summed(wJc, r[..., None])[..., 0])
        np.add.at(h, view, pulls)
        square = A.reshape(v * q, v * q)
        for matrix in (square, B):  # what is fixed has no derivatives: it stays where it is
            diagonal = np.einsum("...ii->...i", matrix)
            diagonal[diagonal == 0] = 1.0
        return Normal(square, B, C.reshape(w, v * q, 6), g.ravel(), h, boards, pulls, view, camera)

    def minimise(self, state: State, loss: Loss, settled: float) -> State:
        """Return the state of least loss near one.

        Parameters
        ----------
        state : State
            Where to start.
        loss : Loss
            What is minimised.
        settled : float
            Stop where the next step promises no larger decrease of the loss. Where that is a chi-squared, what is
            left to move is about its root in standard deviations.
        """
        damping, at = 1e-4, self.linearise(state)
        total, weight = loss((at.residual_px**2).sum(axis=1))
        normal = self.normal(at, weight)
        for _ in range(STEPS):
            cameras, boards, decrease = normal.step(damping)
            if decrease <= settled:
                break
            tried = state.moved(cameras.reshape(self.count, -1), boards)
            at = self.linearise(tried)
            new, weight = loss((at.residual_px**2).sum(axis=1))
            if new < total:
                state, total, damping, normal = tried, new, max(damping / 10, LEAST), self.normal(at, weight)
            elif damping > 1e8:
                break
            else:
                damping *= 10
        return state


def _by_rotation(by_point: Array, seen: Array) -> Array:
    """Return the derivative by a small rotation d of points x that become x + d x x: that is ``by_point . [-x]_x``."""
    return np.cross(seen[:, None, :], by_point)


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """Normal equations of V cameras with q parameters each and W views, G of whose pairs saw something.

    Parameters
    ----------
    A, B, C : (V q, V q), (W, 6, 6), (W, V q, 6) float64
        The blocks of cameras, views and both.
    g, h : (V q,), (W, 6) float64
        The gradient by cameras and views.
    boards, pulls : (G, 6, 6), (G, 6) float64
        What each pair of camera and view adds to B and h.
    view, camera : (G,) int64
        The pairs.
    """

    A: Array
    B: Array
    C: Array
    g: Array
    h: Array
    boards: Array
    pulls: Array
    view: NDArray[np.int64]
    camera: NDArray[np.int64]

    def step(self, damping: float) -> tuple[Array, Array, float]:
        """Return the step of cameras and of views, and by how much the loss would decrease if it were quadratic."""
        A = self.A + damping * np.diag(np.diag(self.A))
        inverse = np.linalg.inv(self.B + damping * self.B * np.eye(6))
        G = inverse @ self.C.transpose(0, 2, 1)
        S = A - np.einsum("wci,wid->cd", self.C, G)
        Bh = (inverse @ self.h[..., None])[..., 0]
        scale = 1 / np.sqrt(np.diag(A))
        reduced = self.g - np.einsum("wci,wi->c", self.C, Bh)
        cameras = -scale * np.linalg.solve(scale[:, None] * S * scale, scale * reduced)
        boards = -Bh - G @ cameras
        return cameras, boards, float(-(self.g @ cameras + (self.h * boards).sum()))

    def covariance(self) -> "Covariance":
        """Return the inverse of the information, in the blocks that the observations touch.

        Raises
        ------
        UndeterminedError
            If the equations are singular to rounding.
        """
        inverse = np.linalg.inv(self.B + LEAST * self.B * np.eye(6))
        G = inverse @ self.C.transpose(0, 2, 1)
        S = self.A - np.einsum("wci,wid->cd", self.C, G)
        scale = 1 / np.sqrt(np.diag(self.A))
        values, vectors = np.linalg.eigh(scale[:, None] * S * scale)
        if not values[0] > 1e-13 * values[-1]:
            raise UndeterminedError(int(np.abs(vectors[:, 0]).argmax()))
        root = scale[:, None] * vectors / np.sqrt(values)
        cameras = root @ root.T
        Gc = G @ cameras
        return Covariance(cameras, inverse + Gc @ G.transpose(0, 2, 1), -Gc.transpose(0, 2, 1))

    def redundancy(self, covariance: "Covariance", observations: NDArray[np.int64]) -> Array:
        """Return how many of the numbers of each camera (V,) are left over after the fit.

        These are ``2 n`` less the sum of the leverages; they add up to numbers less parameters.
        """
        v, q = len(observations), len(self.g) // len(observations)
        own = np.arange(v)
        A, K = (m.reshape(v, q, v, q)[own, :, own] for m in (self.A, covariance.cameras))
        C, X = (m.reshape(len(m), v, q, 6)[self.view, self.camera] for m in (self.C, covariance.both))
        pairs = 2 * (C * X).sum(axis=(1, 2)) + (self.boards * covariance.boards[self.view]).sum(axis=(1, 2))
        spent = (A * K).sum(axis=(1, 2)) + _sums(self.camera, pairs, v)
        return np.asarray(2 * observations - spent)

    def explained(self, cameras: int) -> tuple[Array, Array]:
        """Return by how much chi-squared would fall if a camera (V,) could move the board in each view for itself.

        The second array is how many numbers would be estimated for it.
        """
        inverse = np.linalg.pinv(self.boards, hermitian=True)
        fall = np.einsum("gi,gij,gj->g", self.pulls, inverse, self.pulls)
        rank = np.rint(np.einsum("gij,gji->g", inverse, self.boards))
        return _sums(self.camera, fall, cameras), _sums(self.camera, rank, cameras)


def _sums(index: NDArray[np.int64], value: Array, count: int) -> Array:
    return np.bincount(index, value, count).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """Covariances of all cameras (V q, V q), of each view's board (W, 6, 6) and between both (W, V q, 6)."""

    cameras: Array
    boards: Array
    both: Array
