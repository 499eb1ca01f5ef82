"""Writes the golden recording, and what a controller must tell of it: ``python ext/firmware/golden.py FOLDER``.

``golden.counts``: what the converters of a simulated shelf said, the sample that follows coded by its differences.
``golden.records``: the records that the engine's own segmentation gives for it, native and reference alike. Both are
included in the firmware's image, which replays the one and compares with the other.
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fusion
from fusion.device_records import DeviceStatus, Sender, encode
from fusion.segmentation_settings import CAPACITY_G, shared_by
from fusion.simulation import PlateSettings, PlateSimulation, simulate_plates
from fusion.simulation.converters import QUANTUM_G

SEED = 20260
SETTINGS = PlateSettings(seed=SEED, duration_s=60.0, events_per_plate_hour=120.0, touches_per_plate_hour=20.0)
SMALLEST_G = 30.0
LOSS = 0.0005
BOOT = 7
STATUS_NS = 1_000_000_000
MISSING = -(2**31)
HEAD = struct.Struct("<4sHHIdfIq")
PLATE = struct.Struct("<iIfif")


def counts_of(simulation: PlateSimulation) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the converters' counts (n, P), some of them missing, and each plate's count at zero load (P,)."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    zero = rng.integers(-(2**20), 2**20, simulation.grams.shape[1]).astype(np.int32)
    counts = np.rint(simulation.grams.astype(np.float64) / QUANTUM_G).astype(np.int32) + zero
    counts[rng.random(counts.shape) < LOSS] = MISSING
    return counts, zero


def grams_of(counts: NDArray[np.int32], zero: NDArray[np.int32]) -> NDArray[np.float32]:
    """Calibrate as ``shelf_grams`` does: float32, to the nearest 1/64 g."""
    grams = (counts.astype(np.int64) - zero).astype(np.float32) * np.float32(QUANTUM_G)
    steps = np.trunc(grams * np.float32(64) + np.copysign(np.float32(0.5), grams))
    return np.where(counts == MISSING, np.float32(np.nan), steps / np.float32(64))


def records(simulation: PlateSimulation, grams: NDArray[np.float32], segmenter: fusion.Segmenter) -> Iterator[bytes]:
    """Tell what a controller sends: reports as they come, a status every second and one at the end."""
    times_ns = simulation.sample_ns // 1000 * 1000
    sequence, due_ns = 0, int(times_ns[0]) + STATUS_NS

    def status() -> DeviceStatus:
        return DeviceStatus(segmenter.open_since_ns, 0, segmenter.rezeroed, segmenter.health())

    for k, now_ns in enumerate(times_ns.tolist()):
        told: list[fusion.WeightEvent | DeviceStatus] = []
        told += segmenter.push(times_ns[k : k + 1], grams[k : k + 1])
        if now_ns >= due_ns:
            due_ns = now_ns + STATUS_NS
            told.append(status())
        if k + 1 == len(grams):
            told += segmenter.flush()
            told.append(status())
        for body in told:
            yield encode(Sender(BOOT, sequence, now_ns), body)
            sequence += 1


def shared(simulation: PlateSimulation) -> NDArray[np.int32]:
    """Return which of the following plates share a facing with each."""
    return shared_by(simulation.groups, simulation.facings)


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> int:
    """Map small numbers of both signs to small ones of one."""
    return 2 * value if value >= 0 else -2 * value - 1


def pack(simulation: PlateSimulation, counts: NDArray[np.int32], zero: NDArray[np.int32]) -> bytes:
    """Write a recording: a head, each plate, then for each sample its time and the plates' counts as differences.

    The time is the difference of the step from the last step; a count is 0 where missing, else 1 and more.
    """
    n, plates = counts.shape
    out = bytearray(
        HEAD.pack(b"FGR1", plates, 0, n, simulation.rate_hz, SMALLEST_G, BOOT, int(simulation.sample_ns[0]))
    )
    for p, bits in enumerate(shared(simulation)):
        out += PLATE.pack(simulation.groups[p], int(bits), CAPACITY_G, zero[p], np.float32(QUANTUM_G))
    last_ns, step_ns, last = int(simulation.sample_ns[0]), 0, zero.copy()
    for now, row in zip(simulation.sample_ns, counts, strict=True):
        step = int(now) - last_ns
        out += varint(zigzag(step - step_ns))
        last_ns, step_ns = int(now), step
        for p, count in enumerate(row):
            if count == MISSING:
                out += varint(0)
            else:
                out += varint(zigzag(int(count) - int(last[p])) + 1)
                last[p] = count
    return bytes(out)


def main(folder: Path) -> None:
    """Write both files."""
    simulation = simulate_plates(SETTINGS)
    counts, zero = counts_of(simulation)
    told = []
    for name in ("native", "reference"):
        with fusion.use_backend(name):
            segmenter = fusion.Segmenter(
                simulation.groups,
                rate_hz=simulation.rate_hz,
                facings=simulation.facings,
                settings=fusion.SegmentationSettings(smallest_item_g=SMALLEST_G),
            )
        told.append(b"".join(records(simulation, grams_of(counts, zero), segmenter)))
    if told[0] != told[1]:
        sys.exit("the native and the reference segmentation differ on the golden recording")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "golden.counts").write_bytes(pack(simulation, counts, zero))
    (folder / "golden.records").write_bytes(told[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) == 2 else Path(__file__).parent / "golden")
