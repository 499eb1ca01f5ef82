"""Which track is which shopper: tracks are anonymous, the gate knows who came in.

A stretch is what one track saw of one person. Shoppers whom nobody follows at the moment, and stretches that are
nobody's, are paired by exact assignment: who has just come in with who is first seen at about that time, and who was
lost with who appears near-by soon after. A pairing may change for `SETTLE_S`; hands are asked for later than that.
"""

from collections import deque
from dataclasses import dataclass
from math import exp, log, pi

import numpy as np
from numpy.typing import NDArray

from fusion.assignment import assign
from fusion.observations import NS
from fusion.tracking import Tracks

SETTLE_NS = 2 * NS
"""For how long a pairing may be changed by who comes or appears next: as long as a weight event takes to be final."""
GATE_S = 1.5
"""Half of all shoppers are first seen, by the gate or by the cameras, within this long of the other: two steps."""
LOST_S = 2.0
"""Half of all tracks that break appear again within this long: somebody else has walked by."""
STANDING_M, WALKING_M_S, FARTHEST_M = 0.3, 1.0, 3.0
"""How far someone is from where he was lost: some centimetres a second at least, as far as the aisles allow at most."""
AREA_M2 = 100.0
"""Anyone may appear anywhere, on the floor of a small store."""
STRANGERS_PER_S = 1e-3
"""How often somebody is seen who did not come by the gate (staff, passers-by, two reflections): a guess."""
ENTRANCES, ENTRANCE_M = 50, 0.5
"""Where the last so many shoppers were first seen tells where the next will be, to a step: the entrance is learned."""
BRIEF_NS = NS
"""Who is seen for less than this is most probably nobody: rays that met by chance."""
WRONG = 0.05
"""Probability that a shopper's stretch before was somebody else's, or nobody's."""
OVERLAP_NS = NS // 2
"""Two tracks may follow one person for so long: a track is told until nobody has seen it for this long."""
LEAVING_NS = NS // 2
"""A track that is seen for so long after its shopper has left is somebody else."""
UNSEEN_NS = NS // 5
"""A track that nobody sees for so long after its shopper has left waits for somebody else to come by."""
MEMORY_NS = 120 * NS
"""Of stretches and shoppers that are gone: beyond what anybody asks for."""


@dataclass(slots=True, eq=False)
class Visitor:
    """A shopper between gate and gate; `before` is the last stretch that is surely his, `now` the present one."""

    shopper: str
    entered_ns: int
    left_ns: int | None = None
    before: "Stretch | None" = None
    now: "Stretch | None" = None


@dataclass(slots=True, eq=False)
class Stretch:
    """What one track saw of one person, from where and when to where and when."""

    name: str
    born_ns: int
    born_m: NDArray[np.float64]
    last_ns: int
    last_m: NDArray[np.float64]
    visitor: Visitor | None = None

    @property
    def lasted_ns(self) -> int:
        """For how long cameras saw it."""
        return self.last_ns - self.born_ns

    @property
    def shopper(self) -> str:
        """Whose it is; of nobody known, its own name."""
        return self.name if self.visitor is None else self.visitor.shopper


class Binding:
    """Pairs tracks with shoppers; everything comes in order of time."""

    def __init__(self) -> None:
        self._visitors: list[Visitor] = []
        self._entrances: deque[NDArray[np.float64]] = deque(maxlen=ENTRANCES)
        self._stretches: dict[int, Stretch] = {}
        self._count = 0

    def enter(self, shopper: str, time_ns: int) -> None:
        """Let a shopper in, unless he is in already by what the gate knows."""
        if all(v.shopper != shopper or v.left_ns is not None for v in self._visitors):
            self._visitors.append(Visitor(shopper, time_ns))

    def leave(self, shopper: str, time_ns: int) -> None:
        """Let a shopper out; his track is his until then."""
        for visitor in self._visitors:
            if visitor.shopper == shopper and visitor.left_ns is None:
                visitor.left_ns = time_ns

    def see(self, tracks: Tracks) -> list[Stretch]:
        """Follow the tracks that are told now; return the stretch of each."""
        torso = tracks.joints_m[:, :4, :2]
        known = ~np.isnan(torso[..., 0])
        places = np.where(known[..., None], torso, 0.0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
        visible = []
        for i, place, seen_ns in zip(tracks.ids.tolist(), places, tracks.seen_ns.tolist(), strict=True):
            stretch = self._stretches.get(i)
            if stretch is None or _is_over(stretch, seen_ns):
                stretch = self._stretches[i] = Stretch(f"track:{self._count}", tracks.time_ns, place, seen_ns, place)
                self._count += 1
            stretch.last_ns, stretch.last_m = seen_ns, place
            visible.append(stretch)
        self._pair(visible, tracks.time_ns)
        return visible

    def departed(self, now_ns: int) -> list[int]:
        """Let go of, and name, the tracks whose shoppers have left and which nobody has seen for `UNSEEN_NS` since."""
        gone = [i for i, s in self._stretches.items() if _has_left(s, now_ns - UNSEEN_NS)]
        for i in gone:
            del self._stretches[i]
        return gone

    def forget(self, now_ns: int) -> None:
        """Forget who is long gone."""
        self._stretches = {i: s for i, s in self._stretches.items() if s.last_ns > now_ns - MEMORY_NS}
        self._visitors = [v for v in self._visitors if v.left_ns is None or v.left_ns > now_ns - MEMORY_NS]

    def _pair(self, visible: list[Stretch], now_ns: int) -> None:
        unsettled = [s for s in visible if s.visitor is None or now_ns - s.born_ns < SETTLE_NS]
        if not unsettled:
            return
        for visitor in self._visitors:
            if visitor.now is not None and visitor.now not in unsettled:
                self._settle(visitor, visitor.now, visitor.now in visible)
        free = [v for v in self._visitors if v.now is None or v.now in unsettled or v.now not in visible]
        for stretch in unsettled:
            if stretch.visitor is not None:
                stretch.visitor.now = None
                stretch.visitor = None
        cost = np.array([[self._cost(s, v) for v in free] for s in unsettled]).reshape(len(unsettled), len(free))
        columns = assign(cost, -log(STRANGERS_PER_S / AREA_M2)).tolist()
        for stretch, column in zip(unsettled, columns, strict=True):
            if column >= 0:
                stretch.visitor = free[column]
                free[column].now = stretch

    def _settle(self, visitor: Visitor, stretch: Stretch, visible: bool) -> None:
        """Believe a pairing, unless it was too brief."""
        if not visible and stretch.lasted_ns < BRIEF_NS:
            visitor.now = stretch.visitor = None
            return
        if visitor.before is None:
            self._entrances.append(stretch.born_m)
        visitor.before = stretch

    def _cost(self, stretch: Stretch, visitor: Visitor) -> float:
        """Return the negative log of how likely a visitor appears when and where a stretch begins, per s and m^2."""
        if visitor.left_ns is not None and stretch.born_ns > visitor.left_ns:
            return np.inf
        came = _soon(abs(stretch.born_ns - visitor.entered_ns) / NS, GATE_S) / 2 * self._entrance(stretch.born_m)
        before = visitor.before
        return -log(came if before is None else WRONG * came + (1 - WRONG) * _continued(before, stretch))

    def _entrance(self, place_m: NDArray[np.float64]) -> float:
        """Density of where shoppers are first seen, per m^2: anywhere, or where others were (Parzen 1962)."""
        near = sum(_normal(place_m - known_m, ENTRANCE_M**2) for known_m in self._entrances)
        return (1 / AREA_M2 + near) / (1 + len(self._entrances))


def _continued(before: Stretch, stretch: Stretch) -> float:
    """Density of who was lost appearing when and where a stretch begins, per s and m^2."""
    if before.last_ns > stretch.born_ns + OVERLAP_NS:
        return 0.0
    gap_s = max(stretch.born_ns - before.last_ns, 0) / NS
    spread2 = min(STANDING_M**2 + (WALKING_M_S * gap_s) ** 2, FARTHEST_M**2)
    return _soon(gap_s, LOST_S) * _normal(stretch.born_m - before.last_m, spread2)


def _normal(away_m: NDArray[np.float64], spread2: float) -> float:
    """Density of a normal distribution in the plane, per m^2."""
    x, y = away_m.tolist()
    return exp(-0.5 * min((x * x + y * y) / spread2, 100.0)) / (2 * pi * spread2)


def _has_left(stretch: Stretch, before_ns: int) -> bool:
    """Tell whether the shopper of a stretch left before that time, and was not seen since."""
    visitor = stretch.visitor
    if visitor is None or visitor.left_ns is None:
        return False
    return max(stretch.last_ns, visitor.left_ns) < before_ns


def _is_over(stretch: Stretch, seen_ns: int) -> bool:
    """Tell whether a track has become somebody else's: its shopper has left."""
    visitor = stretch.visitor
    return visitor is not None and visitor.left_ns is not None and seen_ns > visitor.left_ns + LEAVING_NS


def _soon(gap_s: float, half_s: float) -> float:
    """Density of a delay, half of which are below `half_s`, and some are very long (Lomax of shape 1)."""
    return half_s / (half_s + gap_s) ** 2
