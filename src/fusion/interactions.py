"""Interactions: from a weight event to something that happened at a shelf, before and after its causes are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fusion.candidates import Candidate
from fusion.fixture_scales import Scale
from fusion.hands import HandPaths
from fusion.joint import Joint
from fusion.looks import Looks, Span
from fusion.meetings import Meeting
from fusion.observations import NS
from fusion.receipts import Interaction, Kind
from fusion.second_thoughts import Told
from fusion.segmentation import WeightEvent

GRASP_S = 0.2
"""How far an item's step and the hand that made it may be apart in time: half a reach, and clocks that disagree."""
ANY_TIME = 0.3
"""How probable any instant of an event is, against its step: hands come long before, and the step may be another's."""


def when_grasped(event: WeightEvent, time_ns: NDArray[np.int64], grasp_ns: int) -> NDArray[np.float64]:
    """Tell how probable each instant is that of the grasp: about the step, or any time of the event and `grasp_ns`."""
    near = np.exp(-0.5 * ((time_ns - event.step_ns) / (GRASP_S * NS)) ** 2)
    within = (time_ns >= event.start_ns - grasp_ns) & (time_ns <= event.end_ns + grasp_ns)
    return np.asarray(near + ANY_TIME * within)


def joints_of(
    scale: Scale, told: Told, when: NDArray[np.float64], paths: HandPaths, grasp_ns: int, looks: Looks
) -> list[Joint]:
    """Tell of an event and earlier ones as one, as far as that comes to anything; `when` is of the event alone."""
    names, joints = [_name(scale, told.event)], []
    for link in told.links:
        when = when + when_grasped(link.earlier.event, paths.time_ns, grasp_ns)
        names.append(_name(scale, link.earlier.event))
        if link.change.sure:
            plates = [scale.plates[i] for i in link.change.plates]
            seen = looks.of_all(names, paths.shoppers)
            joints.append(Joint(tuple(names[1:]), plates, link.change.delta_g, link.change.sigma_g, when, seen))
    return joints


def span_of(scale: Scale, event: WeightEvent) -> Span:
    """Tell when and where something moved."""
    plates = tuple(scale.plates[i] for i in event.plates)
    return Span(event.start_ns, event.step_ns, event.end_ns, float(event.delta_g.sum()), plates)


def begun(scale: Scale, event: WeightEvent, told: Told | None) -> Interaction:
    """Tell of an event before anything is known of its causes."""
    change = event if told is None else told.change
    return Interaction(
        _name(scale, event),
        "touch",
        event.start_ns,
        event.end_ns,
        tuple(scale.plates[i] for i in change.plates),
        float(change.delta_g.sum(dtype=np.float64)),
        float(np.sqrt((change.sigma_g.astype(np.float64) ** 2).sum())),
        (),
    )


def met(id: str, meeting: Meeting) -> Interaction:
    """Tell of hands that met, before anything is known of what they passed."""
    return Interaction(id, "unknown", meeting.start_ns, meeting.end_ns, (), 0.0, 0.0, ())


def caused(interaction: Interaction, causes: Sequence[Candidate]) -> Interaction:
    """Give an interaction its causes, and the kind that the most probable one makes it."""
    kind: Kind = "unknown"
    if interaction.plates and sum(c.probability for c in causes) >= 0.5:
        kind = "take" if causes[0].quantity < 0 else "return"
    elif not interaction.plates and sum(c.probability for c in causes if c.quantity < 0) >= 0.5:
        kind = "hand_over"
    return replace(interaction, kind=kind, candidates=tuple(causes))


def _name(scale: Scale, event: WeightEvent) -> str:
    return f"{scale.fixture}:{event.id}"
