"""Writes problems for the kernels and their solutions by the engine: ``python ext/firmware/golden_kernels.py FILE``.

The file is a row of 64-bit words: for each problem its kind, its sizes, what is given and what must come of it, native
and reference alike; arrays of 32-bit integers fill up their last word. ``kernels.c`` reads it in place.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fusion
from fusion import backends
from fusion.camera import pack
from fusion.matching import camera_blocks

SEED = 20261
TRIANGULATE, ASSIGN, K_BEST, MARGINALS, TRACK, ASSOCIATE = range(1, 7)
FIRST_NS = 1_600_000_000_000_000_000


def words(*parts: Any) -> bytes:
    """Integers as words, arrays as they are, each filled up to whole words."""
    out = bytearray()
    for part in parts:
        data = np.ascontiguousarray(part, None if isinstance(part, np.ndarray) else np.int64).tobytes()
        out += data + bytes(-len(data) % 8)
    return bytes(out)


def agreed(solve: Callable[[], tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Solve with both backends, which must agree."""
    told = []
    for name in ("native", "reference"):
        with fusion.use_backend(name):
            told.append(solve())
    for a, b in zip(*told, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=0)
    return told[0]


def ceiling() -> list[fusion.Camera]:
    """Four cameras, 3 m high, that look at the middle; every other one is a fisheye."""
    cameras = []
    for i, (x, y) in enumerate(((4.0, 0.0), (0.0, 4.0), (-4.0, 0.0), (0.0, -4.0))):
        centre = np.array([x, y, 3.0])
        axis = (np.array([0.0, 0.0, 1.0]) - centre) / np.linalg.norm(np.array([0.0, 0.0, 1.0]) - centre)
        right = np.cross(axis, [0, 0, 1]) / np.linalg.norm(np.cross(axis, [0, 0, 1]))
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0.0, 960.0], [0.0, 900.0, 540.0], [0.0, 0.0, 1.0]])
        lens = np.array([0.02, -0.01, 0.003, -0.001]) if i % 2 else np.array([-0.28, 0.09, 0.0005, -0.0004])
        model = "fisheye" if i % 2 else "pinhole"
        cameras.append(fusion.Camera(str(i), matrix, rotation, -rotation @ centre, lens, (1920, 1080), model))
    return cameras


def triangulation(rng: np.random.Generator) -> bytes:
    """Write points of which some views are missing and some wrong."""
    rig, n = fusion.CameraRig(ceiling()), 24
    px = rig.project(rng.uniform([-1.5, -1.5, 0.2], [1.5, 1.5, 1.8], (n, 3))) + rng.normal(0, 2, (n, len(rig), 2))
    px[rng.random(px.shape[:2]) < 0.15] = np.nan
    px[::5, 0] += 150.0
    px[3] = np.nan

    def solve() -> tuple[NDArray[Any], ...]:
        t = rig.triangulate(px, 2.0, robust=True)
        return t.xyz_m, t.covariance_m2, t.rms_px, t.views.astype("<i4"), t.status.astype("<i4"), t.inliers.astype("u1")

    rows, origin = pack(tuple(rig.cameras))
    return words(TRIANGULATE, len(rig), n, rows, origin, px, np.array([2.0]), np.array([1e-6]), *agreed(solve))


def assignment(rng: np.random.Generator) -> bytes:
    """Write a batch of small problems with forbidden pairs; the ten best of one; the posteriors of a batch."""
    batch, rows, columns, k = 8, 6, 7, 10
    cost = rng.gamma(1.0, 10.0, (batch, rows, columns))
    cost[rng.random(cost.shape) < 0.2] = np.inf
    miss = rng.uniform(5.0, 30.0, (batch, rows))
    weight, none = rng.exponential(1.0, cost.shape), rng.exponential(1.0, miss.shape)
    (chosen,) = agreed(lambda: (np.array([fusion.assign(c, miss=m) for c, m in zip(cost, miss, strict=True)]),))
    best, totals = agreed(lambda: fusion.k_best(cost[0], k, miss=miss[0]))
    probability, log_total = agreed(lambda: marginals(weight, none))
    return (
        words(ASSIGN, batch, rows, columns, cost, miss, chosen.astype("<i4"))
        + words(K_BEST, rows, columns, k, len(totals), cost[0], miss[0], best.astype("<i4"), totals)
        + words(MARGINALS, batch, rows, columns, weight, none, probability, log_total)
    )


def marginals(weight: NDArray[np.float64], none: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Return posteriors and the logarithms of the totals."""
    probability, log_total = fusion.assignment_marginals(weight, none)
    return probability, log_total


def tracking(rng: np.random.Generator) -> bytes:
    """Write a second of two people who pass each other, before four cameras at 15 Hz."""
    cameras = ceiling()
    heights = [1.68, 1.5, 1.42, 1.42, 1.13, 1.13, 0.9, 0.9]
    left = np.array([0, 0, 0.19, -0.19, 0.24, -0.24, 0.24, -0.24])
    pictures, crowd, sigma = [], 4, 3.0
    for time_s in np.arange(0, 1, 1 / 15):
        places = (time_s - 0.5, 0.6), (0.5 - time_s, -0.6)
        joints = np.array([np.column_stack([np.full(8, x), y + left, heights]) for x, y in places])
        px = fusion.project(cameras, joints.reshape(16, 3)).reshape(2, 8, len(cameras), 2)
        for i, camera in enumerate(cameras):
            seen = px[:, :, i] + rng.normal(0, sigma, (2, 8, 2))
            time_ns = FIRST_NS + round((time_s + 0.01 * i) * 1e9)
            pictures.append(fusion.Keypoints(camera.id, time_ns, seen, np.full((2, 8), sigma)))

    def solve() -> tuple[NDArray[Any], ...]:
        tracker = fusion.Tracker(cameras)
        last = (tracker.push(pictures) + tracker.flush())[-1]
        return last.ids, last.seen_ns, last.joints_m, last.covariance_m2, last.velocity_m_s

    blocks, centres = camera_blocks(cameras)
    rows = np.array(list(blocks.values()))
    rows[:, 9:12] = centres
    told = agreed(solve)
    head = words(TRACK, len(cameras), crowd, len(pictures), len(told[0]), rows)
    frames = b"".join(words(int(p.camera), p.time_ns, len(p.px), p.px, p.sigma_px) for p in pictures)
    return head + frames + words(*told)


def association(rng: np.random.Generator) -> bytes:
    """Write two events of three shoppers, the second in the light of the first: hands, explanations, hypotheses."""
    frames, shoppers, places, room, stride = 15, 3, 3, 16, 18
    start, half = np.arange(places + 1, dtype=np.int32), np.full((places, 3), 0.15)
    centre = np.array([[0.0, 0.0, 1.0], [-0.15, 0.0, 1.0], [0.15, 0.0, 1.0]])
    axes = np.tile(np.eye(3), (places, 1, 1))
    mass_g = np.array([500.0, 250.0, 120.0, np.nan])
    by_mass, present = np.argsort(mass_g, kind="stable").astype(np.int32), np.ones(4, np.uint8)
    facing_product, inside = np.array([0, 1], np.int32), np.array([[1, 1], [1, 0], [0, 1]], np.uint8)
    settings, vision = fusion.AssociationSettings(), np.zeros((shoppers, len(mass_g)))
    hypotheses = np.zeros(1), np.zeros(1, np.int32), np.zeros((1, stride, 3), np.int32)
    out = b""
    for delta_g in (np.array([-499.0, -4.0]), np.array([3.0, 251.0])):
        hands = centre[:1] + rng.normal(0, 0.3, (frames, shoppers, 2, 3))
        hands[:, 1] = centre[1] + rng.normal(0, 0.05, (frames, 2, 3))
        hands[rng.random((frames, shoppers, 2)) < 0.2] = np.nan
        variance, when, sigma_g = np.full(hands.shape[:3], 0.0004), np.full(frames, 1 / frames), np.array([0.8, 1.1])

        event = delta_g, sigma_g, (hands, variance, when), hypotheses

        def solve(event: Any = event) -> tuple[NDArray[Any], ...]:
            delta_g, sigma_g, given, old = event
            llr = backends.kernels("association").hand_log_likelihood(*given, start, centre, axes, half, settings)
            parts, terms, score = np.zeros((2048, 3, 4), np.int32), np.zeros((2048, 4)), np.zeros(2048)
            scene = delta_g, sigma_g, inside, facing_product, llr, vision, np.arange(shoppers, dtype=np.int32)
            known = mass_g, by_mass, present, settings.null
            n = backends.kernels("explanations").explain(*scene, *known, parts, terms, score, settings)
            parts, score = parts[:n].copy(), score[:n].copy()
            new = np.zeros(room), np.zeros(room, np.int32), np.zeros((room, stride, 3), np.int32)
            shares = np.zeros((2, room, len(old[0])))
            columns, chosen = np.zeros(n, np.int32), np.zeros((room, n))
            even, identity = np.zeros(len(old[0])), np.arange(2, dtype=np.int32)
            main = np.full(2, np.abs(delta_g).argmax(), np.int32)
            kept, _ = backends.kernels("hypotheses").update(
                *old,
                even,
                even,
                parts,
                score,
                n,
                identity,
                main,
                len(mass_g),
                2,
                *new,
                *shares,
                columns,
                chosen,
                settings,
            )  # fmt: skip
            new[2][np.arange(stride) >= new[1][:, None]] = 0  # what lies behind the count is rubbish
            return llr, parts, score, *(a[:kept].copy() for a in new)

        llr, parts, score, *made = agreed(solve)
        out += words(ASSOCIATE, frames, shoppers, 2, places, hands, variance, when, start, centre, axes, half, llr)
        out += words(2, 2, len(mass_g), delta_g, sigma_g, inside, facing_product, vision, mass_g, by_mass, present)
        out += words(np.array([settings.null]), len(score), parts, score)
        out += words(len(hypotheses[0]), stride, *hypotheses)
        out += words(int(np.abs(delta_g).argmax()), room, len(made[0]), *made)
        hypotheses = tuple(made)
    return out


def main(path: Path) -> None:
    """Write the file."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(triangulation(rng) + assignment(rng) + tracking(rng) + association(rng) + words(0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else Path(__file__).parent / "golden" / "golden.kernels")
