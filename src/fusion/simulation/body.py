"""The joints of a shopper who walks and reaches: a small skeleton with two-segment arms."""

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS
from fusion.simulation.actions import Action, Visit
from fusion.simulation.paths import Array, progress

# Segments over stature, after Drillis and Contini 1966 (Winter, Biomechanics, figure 4.1).
HEAD, NECK, SHOULDER, HALF_WIDTH, UPPER_ARM, FOREARM = 0.936, 0.87, 0.818, 0.129, 0.186, 0.146
WRIST_AT_REST = 0.54  # the public recording: 0.92 m at a neck of 1.55 m
STRETCHED = 0.95  # of the arm's length; beyond it people lean forward or stoop
SWING_M = 0.08  # of the wrists while walking


def joints_m(visit: Visit, times_s: Array) -> Array:
    """Compute the joints (n, 8, 3) of a shopper in the world; NaN while not in the store."""
    h = visit.stature_m
    position, heading = visit.path.positions_m(times_s), visit.path.headings(times_s)
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros(len(times_s))], axis=1)
    right = np.stack([forward[:, 1], -forward[:, 0], forward[:, 2]], axis=1)
    foot = np.concatenate([position, np.zeros((len(times_s), 1))], axis=1)
    up = np.array([0.0, 0.0, 1.0])
    swing = _swing_m(visit, times_s)[:, None] * forward

    shoulders, wrists = [], []
    for side in (-1.0, 1.0):
        outward = side * HALF_WIDTH * h * right
        shoulders.append(foot + outward + SHOULDER * h * up)
        wrists.append(foot + 1.15 * outward + 0.05 * forward + side * swing + WRIST_AT_REST * h * up)
    lean, active = np.zeros_like(foot), np.zeros((len(times_s), 1))
    reaches = []
    for action in visit.actions:
        s = _reached(action, times_s)[:, None]
        to_wrist = action.wrist_m - shoulders[action.right_hand]
        distance = np.sqrt((to_wrist**2).sum(axis=1, keepdims=True))
        bow = np.maximum(0.0, 1.0 - STRETCHED * (UPPER_ARM + FOREARM) * h / distance) * to_wrist
        wrist = wrists[action.right_hand]
        wrist += s * (action.wrist_m - bow - wrist)
        lean += s * bow
        active += s
        reaches.append((wrist, s, s * bow))
    lean /= np.maximum(active, 1.0)
    for wrist, s, own in reaches:
        wrist -= s * (lean - own)  # who leans for one hand must not take the other off its place

    joints = np.empty((len(times_s), len(JOINTS), 3))
    joints[:, 0] = foot + 0.05 * forward + HEAD * h * up + lean
    joints[:, 1] = foot + NECK * h * up + lean
    for side in (0, 1):
        joints[:, 2 + side] = shoulders[side] + lean
        joints[:, 6 + side] = wrists[side] + lean
        joints[:, 4 + side] = _elbows_m(h, joints[:, 2 + side], joints[:, 6 + side], forward)
    return joints


def _swing_m(visit: Visit, times_s: Array) -> NDArray[np.float64]:
    """Forward displacement of the right wrist: once to and fro on two steps, as wide as the speed allows."""
    dt = 0.02
    before, after = visit.path.positions_m(times_s - dt), visit.path.positions_m(times_s + dt)
    speed = np.nan_to_num(np.sqrt(((after - before) ** 2).sum(axis=1))) / (2 * dt)
    return np.asarray(SWING_M * np.minimum(speed, 1.0) * np.sin(2 * np.pi * 0.9 * times_s))


def _elbows_m(stature_m: float, shoulder: Array, wrist: Array, forward: Array) -> Array:
    """Place the elbow on the circle that both segments allow, down and back as far as it goes."""
    upper, fore = UPPER_ARM * stature_m, FOREARM * stature_m
    line = wrist - shoulder
    distance = np.sqrt((line**2).sum(axis=1, keepdims=True))
    reach = np.clip(distance, abs(upper - fore) + 1e-3, upper + fore)
    axis = line / np.maximum(distance, 1e-9)
    along = (upper**2 - fore**2 + reach**2) / (2 * reach)
    off = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    hang = np.array([0.0, 0.0, -1.0]) - 0.7 * forward
    hang = hang - (hang * axis).sum(axis=1, keepdims=True) * axis
    hang /= np.maximum(np.sqrt((hang**2).sum(axis=1, keepdims=True)), 1e-9)
    return np.asarray(shoulder + along * axis + off * hang)


def _reached(action: Action, times_s: Array) -> Array:
    """How far the wrist is on its way, 0 at the body and 1 at the shelf."""
    out, there, back, home = action.reach_s
    return progress((times_s - out) / (there - out)) - progress((times_s - back) / (home - back))
