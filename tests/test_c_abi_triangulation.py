"""The C ABI of triangulation: the bits of the engine, cameras from calibrations, statuses for what is wrong."""

import ctypes as c
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c_library import POINT, STATUS, Calibration, call, library, scratch
from fusion import Camera, CameraRig
from fusion.camera import pack
from rigs import FISHEYE, LENS, ceiling, mixed, people, with_outliers


def calibration(camera: Camera) -> Calibration:
    k, d = camera.matrix, camera.distortion
    known = Calibration(k[0, 0], k[1, 1], k[0, 2], k[1, 2], k[0, 1])
    known.rotation[:] = camera.rotation.ravel().tolist()
    known.translation_m[:] = camera.translation_m.tolist()
    known.distortion[: len(d)] = d.tolist()
    known.coefficients, known.fisheye = len(d), camera.model == "fisheye"
    return known


def triangulate(
    rows: NDArray[np.float64], px: NDArray[np.float64], sigma: NDArray[np.float64], rejection: float
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    lib, (n, v) = library(), px.shape[:2]
    memory, size = scratch(lib, "triangulation", v)
    found, inliers = np.empty(n, POINT), np.empty((n, v), np.uint8)
    given = (rows, v, px, sigma, c.c_size_t(sigma.size), c.c_size_t(n), rejection, found, inliers, memory, size)
    assert call(lib, "triangulate", *given) == 0
    return found, inliers


@pytest.mark.parametrize("rejection", [0.0, 1e-6])
@pytest.mark.parametrize("one_sigma", [False, True])
def test_points_have_the_bits_of_the_engine(rng: np.random.Generator, rejection: float, one_sigma: bool) -> None:
    rig = mixed()
    px, _ = with_outliers(rng, rig.project(people(rng, 77)), 0.1)
    px += rng.normal(0, 2, px.shape)
    px[rng.random(px.shape[:2]) < 0.3] = np.nan
    px[5], px[6, 2:], px[7] = np.nan, np.inf, 1e300
    sigma = np.array([[2.0]]) if one_sigma else rng.uniform(0.5, 4, px.shape[:2])
    rows, origin = pack(rig.cameras)
    found, inliers = triangulate(rows, px, sigma, rejection)
    told = rig.triangulate(px, 2.0 if one_sigma else sigma, robust=rejection > 0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found["xyz_m"] + origin, told.xyz_m)
    for name in ("covariance_m2", "rms_px", "views", "status"):
        np.testing.assert_array_equal(found[name], getattr(told, name))
    np.testing.assert_array_equal(inliers, told.inliers)
    np.testing.assert_allclose(2 * np.arcsin(np.minimum(found["chord"] / 2, 1)), told.parallax_rad, rtol=1e-15)
    assert {0, 1}.issubset(set(found["status"].tolist()))


def test_pixels_and_rays_have_the_bits_of_the_engine(rng: np.random.Generator) -> None:
    rig, lib = mixed(), library()
    rows, origin = pack(rig.cameras)
    points = people(rng, 33)
    px = np.empty((33, len(rig), 2))
    assert call(lib, "project", rows, len(rig), points - origin, c.c_size_t(33), px) == 0
    np.testing.assert_array_equal(px, rig.project(points))
    px[3, 4], px[4, 5] = np.nan, 1e300
    rays, residual = np.empty((33, len(rig), 3)), np.empty((33, len(rig)))
    assert call(lib, "undistort", rows, len(rig), px, c.c_size_t(33), rays, residual) == 0
    told = rig.unproject(px)
    np.testing.assert_array_equal(rays, told.directions)
    np.testing.assert_array_equal(residual, told.residual_px)


def test_cameras_come_from_calibrations(rng: np.random.Generator) -> None:
    """All numbers are Python's; the limit of a lens, a root found in another way, is close."""
    lenses = [(tuple(rng.normal(0, scale, n)), "pinhole") for n in (4, 5, 8, 12) for scale in (0.01, 0.1, 1.0)] * 8
    lenses += [(tuple(rng.normal(0, 0.1, 4)), "fisheye") for _ in range(50)]
    lenses += [(LENS, "pinhole"), (FISHEYE, "fisheye"), ((-0.3, 0.1, 0, 0), "pinhole"), ((0.0,) * 14, "pinhole")]
    cameras = [*mixed(), *(ceiling(1, lens, model)[0] for lens, model in lenses)]
    rows, origin = pack(tuple(cameras))
    for camera, row in zip(cameras, rows, strict=True):
        made, known = np.zeros(49), calibration(camera)
        assert call(library(), "camera_init", made, c.byref(known), np.array(origin)) == 0
        np.testing.assert_array_equal(made[:18], row[:18])
        np.testing.assert_allclose(made[18], row[18], rtol=1e-7)
        np.testing.assert_array_equal(made[19:31], row[19:31])
        if camera.model == "pinhole":
            np.testing.assert_allclose(made[31:], row[31:], atol=1e-15)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fx", 0.0),
        ("fx", np.nan),
        ("fy", -1.0),
        ("cx", np.inf),
        ("skew", np.nan),
        ("coefficients", 3),
        ("coefficients", -1),
        ("coefficients", 15),
        ("fisheye", 2),
        ("fisheye", 1),
    ],
)
def test_bad_calibrations_are_refused(field: str, value: float) -> None:
    known, camera = calibration(ceiling(1, LENS[:5])[0]), np.zeros(49)
    setattr(known, field, value)
    assert call(library(), "camera_init", camera, c.byref(known), None) == STATUS["BAD_ARGUMENT"]
    assert call(library(), "camera_init", camera, None, None) == STATUS["BAD_ARGUMENT"]


@pytest.mark.parametrize("place", ["rotation", "translation_m", "distortion"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_bad_arrays_of_calibrations_are_refused(place: str, value: float) -> None:
    known, camera = calibration(ceiling(1, LENS[:5])[0]), np.zeros(49)
    getattr(known, place)[0] = value
    status = call(library(), "camera_init", camera, c.byref(known), None)
    assert status == (0 if place != "rotation" and value == 1e300 else STATUS["BAD_ARGUMENT"])


def test_bad_arguments_are_refused(rng: np.random.Generator) -> None:
    rig, lib = CameraRig(ceiling(3).cameras), library()
    rows, px = np.array(pack(rig.cameras)[0]), rig.project(people(rng, 2))
    memory, size = scratch(lib, "triangulation", 3)
    found, inliers, one = np.empty(2, POINT), np.empty((2, 3), np.uint8), c.c_size_t(1)
    good = [rows, 3, px, np.ones(1), one, c.c_size_t(2), 0.0, found, inliers, memory, size]

    def status(**changes: Any) -> int:
        names = ("rows", "views", "px", "sigma", "sigmas", "points", "rejection", "found", "inliers", "memory", "size")
        return call(lib, "triangulate", *(changes.get(name, value) for name, value in zip(names, good, strict=True)))

    assert status() == status(inliers=None) == status(points=c.c_size_t(0), px=None, found=None) == 0
    spoiled = rows.copy()
    spoiled[1, 17] = 7.0
    bad = [{n: None} for n in ("rows", "px", "sigma", "found", "memory")]
    bad += [{"views": v} for v in (0, -1, 4097, 2**31 - 1)] + [{"rejection": r} for r in (-0.1, 1.0, np.nan)]
    bad += [{"points": c.c_size_t(2**64 - 1)}, {"sigmas": c.c_size_t(2)}, {"rows": spoiled}, {"rows": rows * np.nan}]
    bad += [{"memory": memory[1:]}]
    for change in bad:
        assert status(**change) == STATUS["BAD_ARGUMENT"], change
    assert status(size=c.c_size_t(size.value - 8)) == STATUS["NO_ROOM"]
