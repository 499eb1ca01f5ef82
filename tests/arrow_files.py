"""A small recording in the project's own format, and how to spoil its tables."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusion.observations import GateEvent, ItemScores, Keypoints, Observation, ScalePacket, TagReads, Targets
from fusion.store import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store

BOX = Box(np.array([0.1, 1 / 3, -2.5]), np.array([0.1, 0.4, 0.3]))
STORE = Store(
    fixtures=(Fixture("1", (Shelf("1/1", (Plate("1/1/1", BOX), Plate("1/1/2", BOX, 5_000.0))),)),),
    products=(Product("cola", "Cöla", 350.1, 1.5, True, ("tag-1", "tag-2")), Product("soap")),
    planogram=(Facing("cola", ("1/1/1", "1/1/2"), BOX),),
    cameras=(Camera("3", np.diag([0.8, 1.4, 1.0]), np.eye(3), np.array([0.1, 0.2, 0.3]), np.zeros(5), (1, 1)),),
)


def same(a: Any, b: Any) -> bool:
    """Equality to the bit, of types too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return bool(a == b)


def observation(i: int) -> Observation:
    """One of each kind in turn."""
    joints = np.full((2, 8, 3), i / 3)
    joints[0, 0] = np.nan
    return (
        ScalePacket("1", np.array([i, i + 1]), np.array([[np.nan, -0.0], [np.inf, i]], dtype=np.float32)),
        Targets(i, ("7", "8"), joints, joints[..., 0]),
        Targets(i, (), np.empty((0, 8, 3)), np.empty((0, 8))),
        Keypoints("3", i, np.full((2, 8, 2), np.nan), np.ones((2, 8))),
        Keypoints("3", i, np.empty((0, 8, 2)), np.empty((0, 8))),
        ItemScores(i, ("cola", "soap"), np.array([0.1, 0.3]), shopper="7"),
        ItemScores(i, (), np.array([]), place_m=np.array([1.0, 2.0, 3.0])),
        TagReads(i, "door", ("tag-1", "tag-1")),
        TagReads(i, "door", ()),
        GateEvent(i, "7", "enter"),
        ScalePacket("1", np.array([i]), np.empty((1, 0), dtype=np.float32)),
    )[i % 11]


def rewrite(path: Path, **columns: Any) -> None:
    """Replace columns of a Parquet file; ``None`` drops one."""
    table = pq.read_table(path)
    for name, values in columns.items():
        i = table.schema.get_field_index(name)
        if values is None:
            table = table.remove_column(i)
        elif isinstance(values, pa.Array):
            table = table.set_column(i, name, values)  # nullable, unlike what it replaces
        else:
            field = table.schema.field(name)
            table = table.set_column(i, field, pa.array(values, type=field.type))
    pq.write_table(table, path)


def column(path: Path, name: str) -> list[Any]:
    return list(pq.read_table(path)[name].to_pylist())
