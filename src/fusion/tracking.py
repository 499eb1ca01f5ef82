"""Tracking: persons followed through the pictures of many cameras, each taken in at its own time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import backends, validation
from fusion.agreement import Agreement
from fusion.camera import Camera
from fusion.camera_clocks import CameraClocks, ClockOffsets
from fusion.matching import PeopleSettings, camera_blocks, checked_people, known_camera
from fusion.observations import JOINTS, Keypoints, Targets
from fusion.ordering import ReorderBuffer

LARGEST_CROWD = 1024
_ROWS, _FACTS = 27, 5
_COUNT, _LEFT, _NEXT, _NOW, _REFUSED = range(5)
_ID, _BORN, _SEEN, _HITS, _CONFIRMED = range(_FACTS)
_COVARIANCE = [6, 7, 8, 7, 9, 10, 8, 10, 11]  # rows of a track: xx, xy, xz, yy, yz, zz behind position and velocity


class TrackingSettings(NamedTuple):
    """What is believed of how people move, and how long they are remembered."""

    walking_m_s: float = 1.0
    """Standard deviation of the speed of a body, in each direction: people stroll at 0.5 to 1.5 m/s."""
    reaching_m_s: float = 1.5
    """Standard deviation of the speed of elbows and wrists relative to the body."""
    steering_s: float = 1.5
    """How long a walk keeps its direction. With `walking_m_s` that makes accelerations of 1 to 2 m/s^2."""
    swinging_s: float = 0.25
    """How long an arm keeps its direction: half a reach for a shelf."""
    lost_s: float = 3.0
    """A person whom no camera sees for this long is forgotten; whoever comes later gets a new id."""
    told_s: float = 0.5
    """A person whom no camera sees for this long is not told, until seen again."""
    confirm_s: float = 0.2
    """A new track is told when it is this old and was seen in three more pictures, by `views` cameras."""
    views: int = 3
    """A new track is told when so many cameras (or all, if there are fewer) saw it within `agree_s`, and for as long as
    they did within `lost_s`: two rays of different people meet by chance, and whom two cameras see a third must be able
    to deny. Set it to 2 where people matter at whom only two cameras look."""
    agree_s: float = 1.0
    """Passers-by hide somebody from a camera for less than this."""
    join_s: float = 0.15
    """Pictures that are this much older may still confirm a new person: two periods of a slow camera."""
    doubtful: float = 0.3
    """Probability of a mix-up above which an image changes no track: other cameras will know."""
    lateness_s: float = 0.2
    """How late a picture may come, after the newest."""
    clock_s: float = 0.0
    """Standard deviation of how far time stamps of a camera are off: learned from people who walk, and mended. 0 takes
    stamps as they are."""
    crowd: int = 64
    """Most tracks at a time."""
    people: PeopleSettings = PeopleSettings()
    """Heights, reach and speed of people who are first seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """S persons after one picture was taken in.

    Parameters
    ----------
    time_ns : int
        When the picture was taken: its stamp, less what the camera's clock is believed to be ahead.
    camera : str
        By whom.
    ids : (S,) int64
        Identities, counted from 0 in the order in which tracks began, never used again.
    joints_m : (S, 8, 3) float64
        `fusion.observations.JOINTS` in the world, metres; NaN where a joint could be anywhere within reach.
    covariance_m2 : (S, 8, 3, 3) float64
        Their covariances, square metres.
    velocity_m_s : (S, 8, 3) float64
        Their velocities, metres a second.
    ambiguity : (S,) float64
        Probability of a mix-up, over the last images of each person; 0 is clear, 0.5 a tie.
    seen_ns : (S,) int64
        When a camera last saw each.
    detections : (N,) int64
        The track of each detection in the picture, -1 for none; it may be one that is not told yet.
    doubt : (N,) float64
        Probability that the best rival of that choice is right.
    """

    time_ns: int
    camera: str
    ids: NDArray[np.int64]
    joints_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    velocity_m_s: NDArray[np.float64]
    ambiguity: NDArray[np.float64]
    seen_ns: NDArray[np.int64]
    detections: NDArray[np.int64]
    doubt: NDArray[np.float64]

    def targets(self) -> Targets:
        """Return the persons as the engine takes them; a score is one less the ambiguity, NaN where the joint is."""
        scores = np.where(np.isnan(self.joints_m[..., 0]), np.nan, 1 - self.ambiguity[:, None])
        return Targets(self.time_ns, tuple(str(i) for i in self.ids), self.joints_m, scores)


class TrackerHealth(NamedTuple):
    """What was not used."""

    late: int
    """Pictures that came behind the watermark."""
    duplicates: int
    """Pictures that came twice."""
    refused: int
    """Detections and persons for whom there was no room."""


class Tracker:
    """Persons followed through asynchronous pictures of calibrated cameras.

    Each picture is taken in at its own time: tracks are predicted to it, its detections are assigned to them exactly,
    and an extended Kalman filter of constant velocity a joint takes in the images whose assignment is clear (Blackman &
    Popoli 1999, "Design and Analysis of Modern Tracking Systems"; velocities forget as in Singer 1970, "Estimating
    Optimal Tracking Filter Performance for Manned Maneuvering Targets"). Detections that no track has are matched
    across cameras (`fusion.match_persons`); a person whom two cameras confirm becomes a track. Looks are not used:
    identities come from place and motion alone.

    Memory is bounded by `TrackingSettings.crowd` and what comes within `lateness_s`; a picture costs its detections
    times the tracks.

    Parameters
    ----------
    cameras : sequence of Camera
        The calibrated cameras; identifiers are unique.
    settings : TrackingSettings, optional
        Motion and memory.

    Raises
    ------
    TypeError
        If an argument holds something else.
    ValueError
        If a camera comes twice, or settings are out of bounds.
    """

    def __init__(self, cameras: Sequence[Camera], settings: TrackingSettings | None = None) -> None:
        self._cameras, self._centres = camera_blocks(cameras)
        self._index = {name: i for i, name in enumerate(self._cameras)}
        s = self._settings = _checked(settings)
        self._habits = np.array(
            [s.walking_m_s, s.reaching_m_s, s.steering_s, s.swinging_s, s.lost_s, s.confirm_s, s.join_s, s.doubtful]
        )
        self._habits = np.append(self._habits, s.people[:3])
        self._clocks = CameraClocks(len(self._cameras), s.clock_s) if s.clock_s else None
        self._buffer = ReorderBuffer(round(s.lateness_s * 1e9))
        self._matching, self._tracking = backends.kernels("matching"), backends.kernels("tracking")
        room = 4 * s.crowd
        self._tracks, self._facts = np.zeros((s.crowd, _ROWS, len(JOINTS))), np.zeros((s.crowd, _FACTS), np.int64)
        self._ambiguity, self._counts = np.zeros(s.crowd), np.zeros(5, np.int64)
        self._left, self._left_camera = np.zeros((room, 10, len(JOINTS))), np.zeros(room, np.int32)
        self._left_ns = np.zeros(room, np.int64)
        self._agreement = Agreement(len(self._cameras), s.views, s.agree_s, s.lost_s)

    def push(self, keypoints: Iterable[Keypoints]) -> list[Tracks]:
        """Take pictures in, in any order within `lateness_s`.

        Parameters
        ----------
        keypoints : iterable of Keypoints
            What the cameras saw. Each image is weighed by its own `sigma_px` (at least 0.1 px).

        Returns
        -------
        list of Tracks
            One for each picture that the watermark has passed, in the order of time; how pictures are cut into pushes
            changes nothing.

        Raises
        ------
        TypeError
            If something else is given.
        ValueError
            If a picture's camera is unknown; nothing is taken in then.
        """
        pictures = validation.instances("keypoints", list(keypoints), Keypoints)
        for picture in pictures:
            known_camera(self._cameras, picture.camera)
        found = []
        for picture in pictures:
            self._buffer.put(self._on_time(picture))
            found += self._advance(everything=False)
        return found

    def flush(self) -> list[Tracks]:
        """Take in all pictures that wait, at the end of a recording."""
        return self._advance(everything=True)

    def forget(self, ids: Iterable[int]) -> None:
        """Forget tracks, of people who are known to have left, before somebody else is taken for them."""
        n = self._counts[_COUNT]
        kept = np.flatnonzero(~np.isin(self._facts[:n, _ID], list(ids)))
        for array in (self._tracks, self._facts, self._ambiguity):
            array[: len(kept)] = array[kept]
        self._counts[_COUNT] = len(kept)

    @property
    def health(self) -> TrackerHealth:
        """What was not used so far."""
        return TrackerHealth(self._buffer.late, self._buffer.duplicates, int(self._counts[_REFUSED]))

    @property
    def clocks(self) -> ClockOffsets:
        """What is believed about the cameras' clocks, in the order of the cameras; all 0 where stamps are trusted."""
        nothing = (0.0,) * len(self._cameras)
        return ClockOffsets(nothing, nothing) if self._clocks is None else self._clocks.offsets()

    def _on_time(self, picture: Keypoints) -> Keypoints:
        if self._clocks is None:
            return picture
        return replace(picture, time_ns=self._clocks.exposed_ns(self._index[picture.camera], picture.time_ns))

    def _advance(self, *, everything: bool) -> list[Tracks]:
        return [self._step(p) for p in self._buffer.ready(everything=everything) if isinstance(p, Keypoints)]

    def _step(self, picture: Keypoints) -> Tracks:
        n = min(len(picture.px), 4 * self._settings.crowd)
        self._counts[_REFUSED] += len(picture.px) - n
        track, doubt = np.full(len(picture.px), -1, np.int64), np.zeros(len(picture.px))
        sightings = np.empty((n, 10, len(JOINTS)))
        with np.errstate(all="ignore"):
            self._matching.look(self._cameras[picture.camera], picture.px[:n], picture.sigma_px[:n], sightings)
            self._tracking.step(
                self._tracks, self._facts, self._ambiguity, self._left, self._left_camera, self._left_ns, self._counts,
                sightings, self._index[picture.camera], picture.time_ns, self._centres, self._habits, track[:n],
                doubt[:n],
            )  # fmt: skip
            if self._clocks is not None:
                self._learn(self._clocks, picture, sightings, track[:n], doubt[:n])
        return self._tell(picture, track, doubt)

    def _learn(
        self,
        clocks: CameraClocks,
        picture: Keypoints,
        sightings: NDArray[np.float64],
        track: NDArray[np.int64],
        doubt: NDArray[np.float64],
    ) -> None:
        count, camera = self._counts[_COUNT], self._index[picture.camera]
        row = {int(i): k for k, i in enumerate(self._facts[:count, _ID]) if self._facts[k, _CONFIRMED]}
        clear = [d for d in range(len(track)) if doubt[d] <= self._settings.doubtful and int(track[d]) in row]
        if clear:
            tracks = self._tracks[[row[int(track[d])] for d in clear]]
            clocks.learn(camera, picture.time_ns, self._centres[camera], tracks, sightings[clear])

    def _tell(self, picture: Keypoints, track: NDArray[np.int64], doubt: NDArray[np.float64]) -> Tracks:
        n = self._counts[_COUNT]
        facts, rows = self._facts[:n], self._tracks[:n].transpose(0, 2, 1)
        agreed = self._agreement.told(facts[:, _ID], self._index[picture.camera], picture.time_ns, track)
        known = rows[..., 6] + rows[..., 9] + rows[..., 11] <= self._settings.people.reach_m**2
        recent = picture.time_ns - facts[:, _SEEN] <= round(self._settings.told_s * 1e9)
        told = np.flatnonzero(recent & agreed & (facts[:, _CONFIRMED] > 0) & known.any(1))
        facts, rows = facts[told], rows[told]
        covariance = rows[..., _COVARIANCE].reshape(-1, len(JOINTS), 3, 3)
        joints = np.where(known[told, :, None], rows[..., :3], np.nan)
        return Tracks(
            picture.time_ns, picture.camera, facts[:, _ID], joints, covariance, rows[..., 3:6].copy(),
            self._ambiguity[told], facts[:, _SEEN], track, doubt
        )  # fmt: skip


def _checked(settings: TrackingSettings | None) -> TrackingSettings:
    s = validation.instance("settings", settings or TrackingSettings(), TrackingSettings)
    for name, largest in (("crowd", LARGEST_CROWD), ("views", 64)):
        number = getattr(s, name)
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise TypeError(f"{name} must be an integer; got {type(number).__name__}")
        if not 1 <= number <= largest:
            raise ValueError(f"{name} must lie in [1, {largest}]; got {number}")
    validation.number("lateness_s", s.lateness_s, at_least=0, at_most=3600)
    for name in (
        "walking_m_s",
        "reaching_m_s",
        "steering_s",
        "swinging_s",
        "lost_s",
        "told_s",
        "confirm_s",
        "join_s",
        "agree_s",
    ):
        validation.number(name, getattr(s, name), at_least=1e-3, at_most=1e3)
    validation.number("clock_s", s.clock_s, at_least=0, at_most=10)
    validation.number("doubtful", s.doubtful, at_least=0, at_most=1)
    return s._replace(people=checked_people(s.people))
