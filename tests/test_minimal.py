"""The one file to run on every wheel, by pytest or as a script: numpy alone, every kernel, a known answer each."""

import numpy as np

import fusion

S = 1_000_000_000


def segmenter_finds_a_take() -> None:
    rng = np.random.default_rng(0)
    times = (np.arange(600) * (S / 60)).astype(np.int64)
    grams = 1000.0 + rng.normal(0, 0.5, (600, 2))
    grams[300:, 1] -= 200.0
    segmenter = fusion.Segmenter([0, 0], rate_hz=60.0)
    events = [*segmenter.push(times, grams.astype(np.float32)), *segmenter.flush()]
    (change,) = [e for e in events if e.final and e.kind == "change"]
    assert 1 in change.plates
    assert abs(change.delta_g.sum() + 200.0) < 3.0
    assert abs(change.start_ns / S - 5.0) < 0.3


def triangulation_finds_a_point() -> None:
    matrix = np.array([[800.0, 0.0, 320.0], [0.0, 800.0, 240.0], [0.0, 0.0, 1.0]])
    cameras = [fusion.Camera(str(x), matrix, np.eye(3), np.array([-x, 0.0, 0.0])) for x in (-1.0, 1.0)]
    truth = np.array([[0.2, -0.1, 4.0]])
    result = fusion.triangulate(cameras, fusion.project(cameras, truth))
    np.testing.assert_allclose(result.xyz_m, truth, atol=1e-9)
    assert result.status[0] == fusion.Status.OK
    assert np.linalg.eigvalsh(result.covariance_m2[0]).min() > 0


def associator_finds_who_took_it() -> None:
    box = fusion.Box(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.3]))
    shelf = fusion.Shelf("s", (fusion.Plate("p", box),))
    store = fusion.Store(
        (fusion.Fixture("f", (shelf,)),), (fusion.Product("cola", mass_g=350.0),), (fusion.Facing("cola", ("p",), box),)
    )
    hands = np.zeros((5, 2, 2, 3))
    hands[:, 0], hands[:, 1] = box.center_m, (5.0, 5.0, 1.0)
    best = fusion.Associator(store).associate("e", ["p"], [-351.0], [1.0], ["ann", "bob"], hands)[0]
    assert (best.shopper, best.product, best.quantity) == ("ann", "cola", -1)
    assert best.probability > 0.9


def test_every_kernel_native_and_reference() -> None:
    for backend in ("native", "reference"):
        with fusion.use_backend(backend):
            assert fusion.backend() == backend
            segmenter_finds_a_take()
            triangulation_finds_a_point()
            associator_finds_who_took_it()


if __name__ == "__main__":
    test_every_kernel_native_and_reference()
    print(f"fusion {fusion.__version__}: every kernel gives the known answer, native and reference")
