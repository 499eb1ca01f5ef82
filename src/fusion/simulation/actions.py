"""What shoppers do at the shelves: reaches, what they move, and whole visits."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.paths import Path
from fusion.simulation.shelf import Move, Unit
from fusion.store import Box

STAND_M = 0.5  # from the shelf's front to the neck of who reaches into it (0.50-0.52 m in the public recording)
STATURE_M = (1.55, 1.9)
ASIDE_M = (0.08, 0.25)  # from the body to the item, so that the nearer hand reaches straight ahead (recording: 0.12 m)
REACH_S = (0.5, 0.8)  # of the wrist to the shelf, and back to the body (recording: 0.7 s each)
DWELL_S = (0.3, 0.6)  # at the shelf, when people know what they want (the recording's shopper takes 1 s)
HAND_WIDTH_M = 0.08
HOLD_S = (1.0, 12.0)  # that a hand rests on the place while its owner reads, compares or talks
# How often hands hold two, and how they press, nobody has published: wide ranges.
TOUCH_S, TOUCH_G = (0.3, 1.5), (30.0, 200.0)

Kind = Literal["take", "return", "touch", "pass"]
Role = Literal["shopper", "staff"]


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One reach, into a shelf or to another shopper's hand.

    The wrist leaves the body at ``reach_s[0]``, is at `wrist_m` from ``reach_s[1]`` to ``reach_s[2]`` and back at
    ``reach_s[3]``. `time_s` is when the load changes, or the middle of a touch. `loads_g` is what comes onto each plate
    (a take: negative), or with what force a touch presses. Before a load changes, a hand may rest on its place with the
    force `held_g` from ``reach_s[1]`` on. Who passes something on says to whom (`receiver`); who gets it reaches too,
    without a move.
    """

    kind: Kind
    time_s: float
    reach_s: tuple[float, float, float, float]
    wrist_m: NDArray[np.float64]
    right_hand: bool
    loads_g: dict[str, float]
    moves: tuple[Move, ...] = ()
    held_g: float = 0.0
    receiver: str | None = None


@dataclass(slots=True, eq=False)
class Visit:
    """One person's stay in the store; the gate may miss that somebody leaves."""

    shopper: str
    stature_m: float
    path: Path = field(default_factory=Path)
    actions: list[Action] = field(default_factory=list)
    carried: list[Unit] = field(default_factory=list)
    role: Role = "shopper"
    account: str | None = None
    seen_leaving: bool = True

    def pick_up(self, unit: Unit) -> None:
        """Take a unit off the shelves."""
        unit.available_s, unit.taker = np.inf, self.shopper
        self.carried.append(unit)

    def put_down(self, unit: Unit, facing: int, center_m: float, free_s: float) -> None:
        """Put a unit on a shelf, from where others can take it from a time on."""
        unit.facing, unit.center_m, unit.available_s = facing, center_m, free_s
        self.carried.remove(unit)

    def pass_on(self, unit: Unit, receiver: "Visit") -> None:
        """Give a unit to somebody else."""
        self.carried.remove(unit)
        receiver.carried.append(unit)


def grip_m(box: Box, along_m: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    """Draw where the wrist is, (3,), whose hand grips something in a facing's box, and how far along the box."""
    # A hand grips some 8 cm beyond the wrist, and items of the front row stand in the first 10 cm.
    offset_m = [along_m + rng.normal(0.0, 0.02), rng.uniform(-0.12, 0.03), 0.0]
    wrist_m = box.origin_m + box.rotation @ offset_m
    wrist_m[2] += box.size_m[2] * rng.uniform(0.25, 0.7)
    return wrist_m, offset_m[0]


def stand_m(box: Box, along_m: float) -> tuple[NDArray[np.float64], float]:
    """Tell where to stand before a box, (2,), and with what heading, to look at what is so far along it."""
    right, inward = box.rotation[:, 0], box.rotation[:, 1]
    place = (box.origin_m + right * along_m - inward * STAND_M)[:2]
    return place, float(np.arctan2(inward[1], inward[0]))
