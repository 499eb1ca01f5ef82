"""What the engine sees: targets, or keypoints of the store's cameras; whose hands were where."""

from dataclasses import dataclass
from typing import Any

from fusion.binding import BRIEF_NS, Binding, Stretch
from fusion.hands import HandPaths, Hands, joined
from fusion.observations import NS, GateEvent, Keypoints, Observation, Targets
from fusion.store import Store
from fusion.tracking import Tracker, TrackingSettings, Tracks

HANDS_NS = NS // 20
"""How often hands are recorded: they stay at a shelf for some tenths of a second."""
SILENCE_NS = 2 * NS
"""A camera that sent nothing for so long is silent."""
MEMORY_NS = 3600 * NS
"""For so long it is known whose a track was that is gone; events that are open keep nobody's receipt back longer."""
GONE_NS = 5 * NS
"""Somebody unknown whom no camera has seen for so long is gone."""
CLOCK_S = 0.3
"""A clock that is further off than this is told: exposure, encoding and network add up to a tenth of a second."""
ENOUGH, AGREEING = 200, 0.5
"""Of so many detections, fewer than this share are of anybody whom other cameras see: the camera is not where it was
calibrated, or its clock is wrong."""


class Sight:
    """Tracks people by a store's cameras, and tells whose hands were where.

    Tracks are bound to the shoppers whom the gate let in (`fusion.binding`); the others act as shoppers of their own,
    named ``track:N``, unless they are very brief. Where targets name a shopper, his hands are theirs and no track's;
    while they name anybody, tracks of nobody known are left out: they may well be the same people.

    Parameters
    ----------
    store : Store
        Its cameras.
    settings : TrackingSettings
        How people move, and how far the clocks of cameras may be off.

    Attributes
    ----------
    watched_ns : int
        Time of the last frame of targets or tracks; 0 if there was none.
    """

    def __init__(self, store: Store, settings: TrackingSettings) -> None:
        self._tracker = Tracker(store.cameras, settings)
        self._cameras = {camera.id: _Camera(camera.id) for camera in store.cameras}
        self._binding = Binding()
        self._stretches: dict[str, Stretch] = {}
        self._targets, self._tracks = Hands(), Hands()
        self._due_ns = 0
        self.watched_ns = 0

    def check(self, observation: Observation) -> None:
        """Refuse keypoints of an unknown camera.

        Raises
        ------
        ValueError
            If the store has no such camera.
        """
        if isinstance(observation, Keypoints) and observation.camera not in self._cameras:
            raise ValueError(f"keypoints of the unknown camera {observation.camera!r}")

    def see(self, observation: Observation) -> None:
        """Take in the next observation, in order of time, if it is one of targets, keypoints or the gate."""
        match observation:
            case Targets():
                self._targets.record(observation)
                self.watched_ns = max(self.watched_ns, observation.time_ns)
            case Keypoints(camera=camera, time_ns=time_ns, px=px):
                self._cameras[camera].count(time_ns, len(px))
                self._follow(self._tracker.push([observation]))
            case GateEvent(shopper=shopper, kind="enter", time_ns=time_ns):
                self._binding.enter(shopper, time_ns)
            case GateEvent(shopper=shopper, kind="exit", time_ns=time_ns):
                self._binding.leave(shopper, time_ns)

    def flush(self) -> None:
        """Take in the pictures that wait, at the end."""
        self._follow(self._tracker.flush())

    def between(self, start_ns: int, end_ns: int) -> HandPaths:
        """Return whose hands were where in a span of time."""
        told = self._targets.between(start_ns, end_ns)
        tracked = self._tracks.between(start_ns, end_ns, self._whose)
        brief = (n for n, s in self._stretches.items() if told.shoppers or s.lasted_ns < BRIEF_NS)
        left_out = {*told.shoppers, *brief}
        return joined(told, tracked.of([s for s in tracked.shoppers if s not in left_out]))

    def last_seen(self) -> dict[str, int]:
        """Tell when cameras last saw everybody whom they followed."""
        seen: dict[str, int] = {}
        for stretch in self._stretches.values():
            seen[stretch.shopper] = max(seen.get(stretch.shopper, 0), stretch.last_ns)
        return seen

    def is_stranger(self, shopper: str) -> bool:
        """Tell whether a name is that of a track of nobody known."""
        return shopper in self._stretches

    def is_gone(self, stranger: str, now_ns: int) -> bool:
        """Tell whether nobody will be seen under the name of a stranger any more."""
        stretch = self._stretches[stranger]
        return stretch.visitor is not None or stretch.last_ns < now_ns - GONE_NS

    def forget(self, before_ns: int) -> None:
        """Forget hands before a time."""
        self._targets.forget(before_ns)
        self._tracks.forget(before_ns)
        self._binding.forget(before_ns)
        self._stretches = {n: s for n, s in self._stretches.items() if s.last_ns > before_ns - MEMORY_NS}

    @property
    def late(self) -> int:
        """Pictures that were out of order by the cameras' clocks, by more than the tracker waits."""
        return self._tracker.health.late

    @property
    def refused(self) -> int:
        """Detections for which there was no room."""
        return self._tracker.health.refused

    def health(self, now_ns: int) -> list[dict[str, Any]]:
        """Tell each camera's status, JSON-ready."""
        clocks = zip(*self._tracker.clocks, strict=True)
        return [
            camera.health(now_ns, offset_s, sigma_s)
            for camera, (offset_s, sigma_s) in zip(self._cameras.values(), clocks, strict=True)
        ]

    def _whose(self, name: str) -> str:
        return self._stretches[name].shopper

    def _follow(self, frames: list[Tracks]) -> None:
        for tracks in frames:
            self._cameras[tracks.camera].followed += int((tracks.detections >= 0).sum())
            if tracks.time_ns < self._due_ns:
                continue
            self._due_ns = tracks.time_ns + HANDS_NS
            self.watched_ns = max(self.watched_ns, tracks.time_ns)
            stretches = self._binding.see(tracks)
            self._tracker.forget(self._binding.departed(tracks.time_ns))
            self._stretches.update((s.name, s) for s in stretches)
            targets = tracks.targets()
            names = tuple(s.name for s in stretches)
            self._tracks.record(Targets(tracks.time_ns, names, targets.joints_m, targets.scores), tracks.covariance_m2)


@dataclass(slots=True)
class _Camera:
    """What came from one camera."""

    id: str
    frames: int = 0
    detections: int = 0
    followed: int = 0
    last_ns: int | None = None

    def count(self, time_ns: int, detections: int) -> None:
        self.frames += 1
        self.detections += detections
        self.last_ns = time_ns

    def health(self, now_ns: int, offset_s: float, sigma_s: float) -> dict[str, Any]:
        return {
            "camera": self.id,
            "status": list(self._faults(now_ns, offset_s)) or ["ok"],
            "frames": self.frames,
            "detections": self.detections,
            "followed": self.followed,
            "last_seen_ns": self.last_ns,
            "clock_offset_s": offset_s,
            "clock_sigma_s": sigma_s,
        }

    def _faults(self, now_ns: int, offset_s: float) -> list[str]:
        if self.last_ns is None:
            return ["unknown"]
        faults = {
            "silent": now_ns - self.last_ns > SILENCE_NS,
            "no detections": self.detections == 0,
            "disagrees": self.detections >= ENOUGH and self.followed < AGREEING * self.detections,
            "clock": abs(offset_s) > CLOCK_S,
        }
        return [name for name, is_so in faults.items() if is_so]
