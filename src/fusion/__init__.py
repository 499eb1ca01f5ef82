"""Sensor fusion for walk-out stores: who took or returned which product, how many, and how sure."""

from fusion.backends import backend, use_backend
from fusion.errors import RecordingError
from fusion.observations import GateEvent, ItemScores, Keypoints, ScalePacket, TagReads, Targets
from fusion.segmentation import SegmentationSettings, Segmenter, WeightEvent
from fusion.store import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Camera",
    "Facing",
    "Fixture",
    "GateEvent",
    "ItemScores",
    "Keypoints",
    "Plate",
    "Product",
    "RecordingError",
    "ScalePacket",
    "SegmentationSettings",
    "Segmenter",
    "Shelf",
    "Store",
    "TagReads",
    "Targets",
    "WeightEvent",
    "backend",
    "use_backend",
]
