"""The C ABI as Python's ctypes see it: built here by the C++ compiler, driven like any C library."""

import atexit
import ctypes as c
import functools
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fusion

CORE = Path(__file__).parents[1] / "ext" / "core"
FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fno-math-errno"]
CXX = [*FLAGS, "-std=c++17", "-fno-exceptions", "-fno-rtti", f"-I{CORE}"]
STATUS = {"OK": 0, "TOLD_EARLY": 1, "BAD_ARGUMENT": -1, "NO_ROOM": -2, "ABI_MISMATCH": -3, "BAD_STATE": -4}
STATUS["BAD_TIME"] = -5


def tool(name: str) -> str:
    """Path of a compiler, or of what else a test needs; the test is skipped without."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    if not CORE.is_dir():
        pytest.skip("the core's source is not beside the tests")
    return path


def build(command: list[Any]) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@functools.cache
def objects(*extra: str) -> list[Path]:
    """Compile the C ABI, a file by each processor; `extra` are flags such as -DFUSION_COMPACT."""
    compiler, folder = tool("g++"), Path(tempfile.mkdtemp(prefix="fusion-c-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = sorted(CORE.glob("fusion*.cpp"))
    found = [folder / f"{source.stem}.o" for source in sources]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        commands = [[compiler, *CXX, *extra, "-fPIC", "-c", s, "-o", o] for s, o in zip(sources, found, strict=True)]
        list(pool.map(build, commands))
    return found


@functools.cache
def library(*extra: str) -> c.CDLL:
    """Build the shared library."""
    found = objects(*extra)
    path = found[0].with_name("libfusion.so")
    build([tool("g++"), "-shared", *found, "-o", path])
    lib = c.CDLL(str(path))
    lib.fusion_status_text.restype = c.c_char_p
    return lib


class Calibration(c.Structure):
    _fields_ = (
        *((name, c.c_double) for name in ("fx", "fy", "cx", "cy", "skew")),
        ("rotation", c.c_double * 9),
        ("translation_m", c.c_double * 3),
        ("distortion", c.c_double * 14),
        ("coefficients", c.c_int32),
        ("fisheye", c.c_int32),
    )


POINT = np.dtype(
    [
        ("xyz_m", "f8", 3),
        ("covariance_m2", "f8", (3, 3)),
        ("rms_px", "f8"),
        ("chord", "f8"),
        ("views", "i4"),
        ("status", "i4"),
    ]
)


class People(c.Structure):
    _fields_ = tuple((name, c.c_double) for name in ("lowest_m", "highest_m", "reach_m"))


class TrackerSettings(c.Structure):
    _fields_ = (
        ("abi", c.c_uint32),
        *((name, c.c_int32) for name in ("cameras", "crowd", "reserved")),
        *((n, c.c_double) for n in ("walking_m_s", "reaching_m_s", "steering_s", "swinging_s", "lost_s", "told_s")),
        *((n, c.c_double) for n in ("confirm_s", "join_s", "doubtful")),
        ("people", People),
    )


BODY = np.dtype([("joints_m", "f8", (8, 3)), ("covariance_m2", "f8", (8, 3, 3))])
TRACK = np.dtype([("id", "i8"), ("seen_ns", "i8"), *BODY.descr, ("velocity_m_s", "f8", (8, 3)), ("ambiguity", "f8")])


class AssociationSettings(c.Structure):
    """The fields of fusion.AssociationSettings behind the head; counts come first."""

    _fields_ = (
        ("abi", c.c_uint32),
        *((name, c.c_int32) for name in ("max_units", "max_restocked", "reserved")),
        *((name, c.c_double) for name in fusion.AssociationSettings._fields[:-2]),
    )


class Hands(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("xyz_m", "variance_m2", "when")),
        *((name, c.c_int32) for name in ("frames", "shoppers", "sides")),
    )


class Places(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("start", "center_m", "axes", "half_m")),
        *((name, c.c_int32) for name in ("places", "boxes")),
    )


class Scene(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("delta_g", "sigma_g", "inside", "facing_product", "hands", "vision")),
        *((name, c.c_void_p) for name in ("owner", "mass_g", "by_mass", "present")),
        *((name, c.c_int32) for name in ("plates", "facings", "shoppers", "products")),
        ("null", c.c_double),
    )


class Hypotheses(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("weight", "count", "record")),
        ("n", c.c_int32),
        ("stride", c.c_int32),
    )


class Evidence(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("part", "log_score", "echo", "together", "plate")),
        *((name, c.c_int32) for name in ("explanations", "first_joint", "plates", "main_plate", "joint_main_plate")),
        ("products", c.c_int32),
        ("facings", c.c_int32),
    )


class Lineage(c.Structure):
    _fields_ = (
        *((name, c.c_void_p) for name in ("share", "joint_share", "column", "chosen")),
        ("columns", c.c_int32),
        ("used", c.c_int32),
    )


class Settings(c.Structure):
    _fields_ = (
        ("abi", c.c_uint32),
        *((name, c.c_int32) for name in ("plates", "pending", "reserved")),
        *((n, c.c_double) for n in ("rate_hz", "smallest_item_g", "false_alarms_per_day")),
        *((n, c.c_double) for n in ("settle_s", "merge_s", "baseline_s")),
    )


class Plate(c.Structure):
    _fields_ = (("shelf", c.c_int32), ("shared", c.c_uint32), ("capacity_g", c.c_float))


class WeightEvent(c.Structure):
    _fields_ = (
        *((name, c.c_int64) for name in ("id", "revision", "start_ns", "step_ns", "end_ns")),
        ("kind", c.c_int32),
        ("final", c.c_int32),
        ("quality", c.c_float),
        ("count", c.c_int32),
        ("plates", c.POINTER(c.c_int32)),
        ("delta_g", c.POINTER(c.c_float)),
        ("sigma_g", c.POINTER(c.c_float)),
    )


class PlateHealth(c.Structure):
    _fields_ = (
        ("flags", c.c_int32),
        ("spikes", c.c_int32),
        ("noise_g", c.c_float),
        ("level_g", c.c_float),
        ("drift_g_per_min", c.c_float),
        ("reserved", c.c_int32),
        *((name, c.c_int64) for name in ("samples", "missing", "faults")),
    )


REPORT = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(WeightEvent))


def aligned(count: int) -> NDArray[np.uint8]:
    """Bytes of memory for a state, full of what was there before."""
    return np.full(-(-count // 8), 0xA5A5A5A5A5A5A5A5, np.uint64).view(np.uint8)[:count]


def at(array: NDArray[Any]) -> c.c_void_p:
    return c.c_void_p(array.ctypes.data)


def number(value: Any) -> Any:
    """Convert an argument: arrays by address, integers by their size in C."""
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return at(value)
    return c.c_double(value) if isinstance(value, float) else value


def call(lib: c.CDLL, name: str, *arguments: Any) -> int:
    """Call a function of the library; its status."""
    return int(getattr(lib, f"fusion_{name}")(*map(number, arguments)))


def scratch(lib: c.CDLL, name: str, *arguments: Any) -> tuple[NDArray[np.uint8], c.c_size_t]:
    """Memory of the size that a function asks for, and that size."""
    size = c.c_size_t()
    assert call(lib, f"{name}_size", *arguments, c.byref(size)) == 0
    return aligned(size.value), size


class Stream:
    """One fixture's segmentation through the C ABI, in memory of the exact size."""

    def __init__(self, lib: c.CDLL, settings: Settings, plates: Any) -> None:
        self.lib, self.settings, self.events = lib, settings, []
        size = c.c_size_t()
        self.must("size", c.byref(settings), c.byref(size))
        self.state = aligned(size.value)
        self.must("init", at(self.state), size, c.byref(settings), plates)
        self._report = REPORT(lambda _, event: self.events.append(self._told(event[0])))

    def call(self, name: str, *arguments: Any) -> int:
        return int(getattr(self.lib, f"fusion_segmentation_{name}")(*arguments))

    def must(self, name: str, *arguments: Any) -> None:
        status = self.call(name, *arguments)
        assert status >= 0, self.lib.fusion_status_text(status)

    def push(self, sample_ns: NDArray[np.int64], grams: NDArray[np.float32]) -> list[Any]:
        self.events.clear()
        times, rows = np.ascontiguousarray(sample_ns), np.ascontiguousarray(grams)
        self.must("push", at(self.state), at(times), at(rows), c.c_size_t(len(times)), self._report, None)
        return list(self.events)

    def flush(self) -> list[Any]:
        self.events.clear()
        self.must("flush", at(self.state), self._report, None)
        return list(self.events)

    def number(self, name: str) -> int:
        found = c.c_int64()
        self.must(name, at(self.state), c.byref(found))
        return found.value

    def health(self, plate: int) -> PlateHealth:
        found = PlateHealth()
        self.must("health", at(self.state), c.c_int32(plate), c.byref(found))
        return found

    @staticmethod
    def _told(e: WeightEvent) -> list[Any]:
        arrays = [np.array(a[: e.count], kind) for a, kind in ((e.plates, "i4"), (e.delta_g, "f4"), (e.sigma_g, "f4"))]
        kind = {1: "touch", 2: "change"}[e.kind]
        return [e.id, e.revision, e.start_ns, e.step_ns, e.end_ns, *arrays, kind, bool(e.final), e.quality]
