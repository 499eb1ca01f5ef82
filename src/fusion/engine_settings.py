"""How the engine waits and decides."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from fusion import validation
from fusion.association_settings import AssociationSettings
from fusion.looks import LookSettings
from fusion.meetings import MeetingSettings
from fusion.review import ReviewPolicy
from fusion.segmentation_settings import SegmentationSettings
from fusion.tracking import TrackingSettings

Payer = Literal["carrier", "taker"]
TRACKING = TrackingSettings(clock_s=0.2, lateness_s=1.0)
"""Clocks of cameras may be half a second off, and are learned."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine waits and decides.

    Parameters
    ----------
    lateness_s : float
        How much later than the newest an observation may come; 3-D targets of the public recording come 2.3 s late.
    grasp_s : float
        How long before a weight event's onset, and after its end, the hands are watched.
    review_below : float
        Lines and receipts less probable than this are marked for review, if there is no policy: of simulated shoppers
        who stand close together, 99.3 % of the lines above it are right.
    review : ReviewPolicy, optional
        Decides by money what is charged, reviewed or dropped.
    rate_hz : float
        Sampling rate of the scales.
    absence_s : float
        A shopper whom neither targets nor tracks have shown for so long, while they show where others are, has left,
        though the gate does not say so: his receipt is final, and marked for review. Without targets and tracks
        nobody is absent.
    payer : {"carrier", "taker"}
        The store's policy for what one shopper hands to another: who carries it out pays, or who took it. With
        "carrier", hands that meet are watched, and what they may have passed changes baskets.
    segmentation, association, tracking, looks, meetings
        Settings of the stages. Stamps of cameras are some tenths of a second off, as exposure, encoding and network
        add up to; tracking learns by how much.
    """

    lateness_s: float = 3.0
    grasp_s: float = 0.25
    review_below: float = 0.91
    review: ReviewPolicy | None = None
    rate_hz: float = 60.0
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)
    tracking: TrackingSettings = TRACKING
    looks: LookSettings = field(default_factory=LookSettings)
    absence_s: float = 120.0
    payer: Payer = "carrier"
    meetings: MeetingSettings = field(default_factory=MeetingSettings)

    def __post_init__(self) -> None:
        validation.number("lateness_s", self.lateness_s, at_least=0.0)
        validation.number("grasp_s", self.grasp_s, at_least=0.0)
        validation.number("review_below", self.review_below, at_least=0.0, at_most=1.0)
        if self.review is not None:
            validation.instance("review", self.review, ReviewPolicy)
        validation.number("rate_hz", self.rate_hz, above=0.0)
        validation.instance("looks", self.looks, LookSettings)
        validation.number("absence_s", self.absence_s, above=0.0, at_most=1e6)
        if self.payer not in get_args(Payer):
            raise ValueError(f"payer must be one of {', '.join(get_args(Payer))}; got {self.payer!r}")
        validation.instance("meetings", self.meetings, MeetingSettings)
        self.meetings.validated()
