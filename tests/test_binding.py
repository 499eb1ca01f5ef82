"""Binding: who came in by the gate is who appears; who was lost is who appears near-by; who left is nobody any more."""

import numpy as np

from fusion.binding import Binding, Stretch
from fusion.tracking import Tracks

S = 1_000_000_000
START_NS = 1_000 * S


class Scene:
    """Tracks that are told every tenth of a second, by their places as functions of time."""

    def __init__(self) -> None:
        self.binding = Binding()
        self.at_s = 0.0

    def until(self, end_s: float, **tracks: tuple[float, float]) -> dict[int, Stretch]:
        """Show tracks (``t3=(x, y)``) from now to `end_s`."""
        ids = [int(name[1:]) for name in tracks]
        seen: list[Stretch] = []
        while self.at_s < end_s:
            seen = self.binding.see(frame(self.at_s, dict(zip(ids, tracks.values(), strict=True))))
            self.at_s = round(self.at_s + 0.1, 6)
        return dict(zip(ids, seen, strict=True))

    def gate(self, kind: str, shopper: str, time_s: float) -> None:
        (self.binding.enter if kind == "enter" else self.binding.leave)(shopper, START_NS + round(time_s * S))


def frame(time_s: float, places: dict[int, tuple[float, float]]) -> Tracks:
    n, time_ns = len(places), START_NS + round(time_s * S)
    joints = np.zeros((n, 8, 3))
    joints[..., :2] = np.array(list(places.values()), float).reshape(n, 1, 2)
    rest = np.zeros((n, 8, 3, 3)), np.zeros((n, 8, 3)), np.zeros(n), np.full(n, time_ns)
    return Tracks(time_ns, "c", np.array(list(places), np.int64), joints, *rest, np.zeros(0, np.int64), np.zeros(0))


def test_who_comes_in_is_who_appears() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    assert scene.until(1.0, t0=(0, 0))[0].shopper == "a"
    scene.gate("enter", "b", 1.5)
    told = scene.until(3.0, t0=(0, 0), t1=(0, 0.5))
    assert (told[0].shopper, told[1].shopper) == ("a", "b")


def test_the_gate_may_know_later_than_the_cameras() -> None:
    scene = Scene()
    told = scene.until(1.0, t0=(0, 0))
    assert told[0].shopper == "track:0"
    scene.gate("enter", "a", 1.0)
    assert scene.until(1.2, t0=(0, 0))[0].shopper == "a"
    assert told[0].shopper == "a"  # all that was seen of the track is


def test_who_is_lost_is_who_appears_near_by() -> None:
    scene = Scene()
    for name in "ab":
        scene.gate("enter", name, 0.0 if name == "a" else 2.0)
        scene.until(2.0 if name == "a" else 5.0, **({"t0": (0, 0)} if name == "a" else {"t0": (0, 0), "t1": (4, 0)}))
    scene.until(6.0)
    told = scene.until(9.0, t7=(3.5, 0.5), t8=(0.5, 0.5))
    assert (told[7].shopper, told[8].shopper) == ("b", "a")


def test_a_newcomer_is_not_taken_for_who_is_lost_elsewhere() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    scene.until(5.0, t0=(5, 0))
    scene.gate("enter", "b", 6.0)
    told = scene.until(9.0, t1=(0, 0))
    assert told[1].shopper == "b"
    assert scene.until(12.0, t1=(0, 0), t2=(5, 0.5))[2].shopper == "a"


def test_two_tracks_at_a_time_are_two_people() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    scene.until(5.0, t0=(0, 0))
    told = scene.until(20.0, t0=(0, 0), t1=(0.4, 0))
    assert told[0].shopper == "a"
    assert told[1].visitor is None


def test_the_entrance_is_learned() -> None:
    """Of two who appear as somebody comes in, he is the one who appears where others came in."""
    scene = Scene()
    for i in range(3):
        scene.gate("enter", f"s{i}", 5.0 * i)
        scene.until(5.0 * (i + 1), **{f"t{k}": (3.0 * (i - k), 0.0) for k in range(i + 1)})
    scene.gate("enter", "a", 15.0)
    told = scene.until(20.0, t7=(4, 4), t8=(0.2, 0), **{f"t{k}": (3.0 * (2 - k), 1.0) for k in range(3)})
    assert told[7].visitor is None
    assert told[8].shopper == "a"


def test_a_phantom_is_given_up_for_who_came_in() -> None:
    """Somebody else was taken for the newcomer, and vanishes; the newcomer was there all the time."""
    scene = Scene()
    for i in range(2):
        scene.gate("enter", f"s{i}", 5.0 * i)
        scene.until(5.0 * (i + 1), **{f"t{k}": (3.0 * (i - k), 0.0) for k in range(i + 1)})
    others = {"t0": (3.0, 1.0), "t1": (0.0, 1.0)}
    scene.gate("enter", "a", 10.0)
    assert scene.until(13.0, t7=(1.5, 1.5), **others)[7].shopper == "a"
    assert scene.until(14.0, t7=(1.5, 1.5), t8=(0, 0), **others)[8].visitor is None
    assert scene.until(16.0, t8=(0, 0), **others)[8].shopper == "a"


def test_what_is_brief_leaves_no_trace() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    scene.until(5.0, t0=(0, 0))
    scene.until(5.5)
    flash = scene.until(6.0, t1=(0.5, 0))[1]
    assert flash.shopper == "a"
    scene.until(7.0)
    told = scene.until(9.0, t2=(0.3, 0))
    assert flash.visitor is None
    assert told[2].shopper == "a"


def test_a_track_that_goes_on_after_the_exit_is_somebody_else() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    scene.gate("enter", "b", 0.5)
    told = scene.until(5.0, t0=(0, 0), t1=(1, 0))
    left, other = (told[0], told[1]) if told[0].shopper == "a" else (told[1], told[0])
    scene.gate("exit", "a", 5.0)
    after = scene.until(8.0, t0=(0, 0))[0]
    assert left.shopper == "a"
    assert after is not left
    assert after.shopper in (other.shopper, after.name)


def test_who_has_left_is_let_go_and_may_come_again() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    scene.until(3.0, t0=(0, 0))
    scene.gate("exit", "a", 3.0)
    scene.until(3.2)
    assert scene.binding.departed(START_NS + 4 * S) == [0]
    assert scene.binding.departed(START_NS + 4 * S) == []
    scene.gate("enter", "a", 10.0)
    scene.at_s = 10.0
    assert scene.until(13.0, t5=(0, 0))[5].shopper == "a"


def test_the_gate_may_repeat_itself() -> None:
    scene = Scene()
    for t in (0.0, 1.0):
        scene.gate("enter", "a", t)
    scene.gate("exit", "nobody", 1.0)
    told = scene.until(3.0, t0=(0, 0), t1=(3, 3))
    assert sorted(s.visitor is None for s in told.values()) == [False, True]


def test_joints_that_are_not_known_do_not_matter() -> None:
    scene = Scene()
    scene.gate("enter", "a", 0.0)
    unseen = frame(0.0, {0: (np.nan, np.nan)})
    (stretch,) = scene.binding.see(unseen)
    assert stretch.shopper == "a"
    scene.binding.forget(START_NS + 10_000 * S)
