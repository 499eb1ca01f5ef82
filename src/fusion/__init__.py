"""Sensor fusion for walk-out stores: who took or returned which product, how many, and how sure."""

from fusion.assignment import assign, assign_sparse, assignment_marginals, k_best
from fusion.association import AssociationSettings, Associator, Candidate
from fusion.backends import backend, use_backend
from fusion.camera import Camera
from fusion.changepoints import Segmentation, segment
from fusion.confidence import ConfidenceModel
from fusion.engine import Engine
from fusion.engine_settings import EngineSettings
from fusion.errors import RecordingError
from fusion.explanation import Explanation, explain
from fusion.headers import get_include
from fusion.learning import fit_confidence
from fusion.masses import LearnedMass, learn_masses
from fusion.matching import Matches, PeopleSettings, match_persons
from fusion.meetings import MeetingSettings
from fusion.observations import DeviceEvents, GateEvent, ItemScores, Keypoints, ScalePacket, TagReads, Targets
from fusion.receipts import Health, Interaction, Outcome, Receipt, ReceiptLine, read_outcome
from fusion.review import ReviewItem, ReviewPolicy, review_queue
from fusion.rig import CameraRig
from fusion.segmentation import Segmenter, WeightEvent
from fusion.segmentation_settings import SegmentationSettings
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store
from fusion.tracking import Tracker, TrackerHealth, TrackingSettings, Tracks
from fusion.triangulation import Rays, Status, Triangulation, project, triangulate, undistort, unproject

__version__ = "0.1.0"

__all__ = [
    "AssociationSettings",
    "Associator",
    "Box",
    "Camera",
    "CameraRig",
    "Candidate",
    "ConfidenceModel",
    "DeviceEvents",
    "Engine",
    "EngineSettings",
    "Explanation",
    "Facing",
    "Fixture",
    "GateEvent",
    "Health",
    "Interaction",
    "ItemScores",
    "Keypoints",
    "LearnedMass",
    "Matches",
    "MeetingSettings",
    "Outcome",
    "PeopleSettings",
    "Plate",
    "Product",
    "Rays",
    "Receipt",
    "ReceiptLine",
    "RecordingError",
    "ReviewItem",
    "ReviewPolicy",
    "ScalePacket",
    "Segmentation",
    "SegmentationSettings",
    "Segmenter",
    "Shelf",
    "Status",
    "Store",
    "TagReads",
    "Targets",
    "Tracker",
    "TrackerHealth",
    "TrackingSettings",
    "Tracks",
    "Triangulation",
    "WeightEvent",
    "assign",
    "assign_sparse",
    "assignment_marginals",
    "backend",
    "explain",
    "fit_confidence",
    "get_include",
    "k_best",
    "learn_masses",
    "match_persons",
    "project",
    "read_outcome",
    "review_queue",
    "segment",
    "triangulate",
    "undistort",
    "unproject",
    "use_backend",
]
