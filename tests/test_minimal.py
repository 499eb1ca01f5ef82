"""The one file to run on every wheel: tiny jobs with known answers, native and as reference.

Needs numpy and the package, nothing else: ``python tests/test_minimal.py``, or with pytest.
"""

import numpy as np

import fusion

BACKENDS = ("native", "reference")


def test_segmentation() -> None:
    """An item of 500 g leaves the second of three plates after four seconds."""
    n, at, rate_hz = 480, 240, 60.0
    sample_ns = 1_600_000_000_000_000_000 + (np.arange(n) * (1e9 / rate_hz)).astype(np.int64)
    grams = np.random.default_rng(1).normal([1000.0, 2000.0, 0.0], 0.5, (n, 3))
    grams[at:, 1] -= 500.0
    for name in BACKENDS:
        with fusion.use_backend(name):
            segmenter = fusion.Segmenter([0, 0, 0], rate_hz=rate_hz)
        events = segmenter.push(sample_ns, grams.astype(np.float32))
        assert [(e.kind, e.final, e.plates.tolist()) for e in events] == [("change", f, [1]) for f in (False, True)]
        last = events[-1]
        assert abs(last.delta_g[0] + 500) < 4 * last.sigma_g[0] < 8
        assert abs(last.start_ns - sample_ns[at]) < 100_000_000


def test_changepoints() -> None:
    """Offline: one change of 500 g, despite a spike and missing samples, with the same bits; and one of weights 0."""
    grams = np.random.default_rng(3).normal(1000.0, 0.5, 480)
    grams[300:] -= 500.0
    grams[100], grams[150:160], grams[40] = 1200.0, np.nan, 5e5
    told = []
    for name in BACKENDS:
        with fusion.use_backend(name):
            result = fusion.segment(grams, rate_hz=60.0, weights=np.where(np.arange(480) == 40, 0.0, 1.0))
        assert result.ticks.tolist() == [300]
        np.testing.assert_allclose(result.levels_g, [1000, 500], atol=0.2)
        told.append(result.levels_g.tobytes())
    assert told[0] == told[1]


def test_assignment() -> None:
    """A greedy choice is revised, and the second best comes second."""
    for name in BACKENDS:
        with fusion.use_backend(name):
            columns, totals = fusion.k_best([[1.0, 2.0], [1.0, 9.0]], 2)
        assert columns.tolist() == [[1, 0], [0, 1]]
        assert totals.tolist() == [3.0, 10.0]


def test_triangulation() -> None:
    """Two cameras 1 m apart that look along z, f = 1000 px: a disparity of 100 px is 10 m away."""
    matrix = np.diag([1000.0, 1000.0, 1.0])
    cameras = [fusion.Camera(str(x), matrix, np.eye(3), np.array([-x, 0.0, 0.0])) for x in (-0.5, 0.5)]
    for name in BACKENDS:
        with fusion.use_backend(name):
            result = fusion.triangulate(cameras, [[[50.0, 0.0], [-50.0, 0.0]]], 2.0)
        np.testing.assert_allclose(result.xyz_m, [[0.0, 0.0, 10.0]], atol=1e-12)
        assert result.status.tolist() == [fusion.Status.OK]


def test_rig() -> None:
    """Four cameras in a row, two of them fisheyes: the image that is 100 px wrong is left out, with the same bits."""
    matrix = np.array([[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]])
    rig = fusion.CameraRig(
        [
            fusion.Camera(str(x), matrix, np.eye(3), np.array([-x, 0.0, 0.0]), np.full(4, 0.01), (1280, 720), model)
            for x, model in ((-1.0, "pinhole"), (-0.3, "fisheye"), (0.3, "fisheye"), (1.0, "pinhole"))
        ]
    )
    point = np.array([[0.2, -0.3, 4.0]] * 9)
    px = rig.project(point)
    px[4, 1, 0] += 100.0
    told = []
    for name in BACKENDS:
        with fusion.use_backend(name):
            result = rig.triangulate(px, robust=True)
        np.testing.assert_allclose(result.xyz_m, point, atol=1e-12)
        assert result.inliers.sum() == 35
        assert not result.inliers[4, 1]
        told.append(result.xyz_m.tobytes() + result.covariance_m2.tobytes())
    assert told[0] == told[1]


def test_matching_and_tracking() -> None:
    """Two people before four cameras are two persons, and two tracks whose joints are where they stand."""
    cameras = []
    for x, y in ((4.0, 0.0), (-4.0, 0.0), (0.0, 4.0), (0.0, -4.0)):
        centre = np.array([x, y, 3.0])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1]) / np.linalg.norm(np.cross(axis, [0, 0, 1]))
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0.0, 960.0], [0.0, 900.0, 540.0], [0.0, 0.0, 1.0]])
        cameras.append(fusion.Camera(f"{x}/{y}", matrix, rotation, -rotation @ centre, size_px=(1920, 1080)))
    heights = [1.68, 1.5, 1.42, 1.42, 1.13, 1.13, 0.9, 0.9]
    left = np.array([0, 0, 0.19, -0.19, 0.24, -0.24, 0.24, -0.24])
    joints = np.array([np.column_stack([np.full(8, x), left, heights]) for x in (-0.6, 0.7)])
    px = fusion.project(cameras, joints.reshape(16, 3)).reshape(2, 8, 4, 2)
    sigma_px, frames = np.full((2, 8), 3.0), range(10**18, 10**18 + 10**9, 10**8)
    seen = [fusion.Keypoints(c.id, t, px[:, :, k], sigma_px) for t in frames for k, c in enumerate(cameras)]
    told = []
    for name in BACKENDS:
        with fusion.use_backend(name):
            matches, tracker = fusion.match_persons(cameras, seen[:4]), fusion.Tracker(cameras)
        tracks = [*tracker.push(seen), *tracker.flush()][-1]
        for found in (matches.joints_m, tracks.joints_m):
            order = np.argsort(found[:, 0, 0])
            np.testing.assert_allclose(found[order], joints, atol=0.01)
        told.append(matches.joints_m.tobytes() + tracks.joints_m.tobytes())
    assert told[0] == told[1]


def test_association() -> None:
    """One of two shoppers has a hand in the shelf while 500 g leave it: he takes the product that weighs so."""
    boxes = [fusion.Box(np.array([x, 0.0, 1.0]), np.full(3, 0.2)) for x in (0.0, 0.2)]
    plates = tuple(fusion.Plate(str(i), box) for i, box in enumerate(boxes))
    store = fusion.Store(
        (fusion.Fixture("f", (fusion.Shelf("s", plates),)),),
        (fusion.Product("cola", "Cola 0.5 l", 500.0), fusion.Product("soap", "Soap", 120.0)),
        (fusion.Facing("cola", ("0",), boxes[0]), fusion.Facing("soap", ("1",), boxes[1])),
    )
    hands_m = np.full((5, 2, 2, 3), np.nan)
    hands_m[:, 0] = boxes[0].center_m
    hands_m[:, 1] = [1.5, 1.5, 1.0]
    for name in BACKENDS:
        with fusion.use_backend(name):
            associator = fusion.Associator(store)
        best = associator.associate("event", ["0"], [-500.5], [1.0], ["near", "far"], hands_m)[0]
        assert (best.shopper, best.product, best.quantity) == ("near", "cola", -1)
        assert best.probability > 0.9
        assert associator.baskets("near")[0][0] == {"cola": 1}
        assert associator.baskets("far")[0][0] == {}


def test_the_native_modules_are_of_this_version() -> None:
    from fusion.native import build_info

    assert build_info.version == fusion.__version__


if __name__ == "__main__":
    for test in (v for k, v in dict(globals()).items() if k.startswith("test_")):
        test()
        print(f"{test.__name__}: passed")
