"""What the association is told of events that the segmentation took back, or that may be one with an earlier one."""

import numpy as np
import pytest

from fusion.second_thoughts import LONGEST, NS, SecondThoughts, Told
from fusion.segmentation import WeightEvent

NOISE = np.full(4, 0.5)


def event(
    number: int,
    grams: dict[int, float],
    start_s: float,
    end_s: float,
    *,
    kind: str = "change",
    final: bool = True,
    sigma_g: float = 1.0,
) -> WeightEvent:
    start, end = round(start_s * NS), round(end_s * NS)
    delta = np.array(list(grams.values()), np.float32)
    sigma = np.full(len(grams), sigma_g, np.float32)
    plates = np.array(list(grams), np.int32)
    return WeightEvent(number, 0, start, (start + end) // 2, end, plates, delta, sigma, kind, final, 1.0)  # type: ignore[arg-type]


@pytest.fixture
def thoughts() -> SecondThoughts:
    """Four plates, the last on another shelf; less than 3 g is nothing."""
    return SecondThoughts([0, 0, 0, 1], 3.0)


def told(thoughts: SecondThoughts, *events: WeightEvent) -> Told | None:
    """Hear all reports of one event, each a second after its end, and tell it."""
    for e in events:
        assert thoughts.hear(e, e.end_ns + NS) == ([e] if e.final else [])
    return thoughts.tell(events[-1], NOISE)


def grams(found: Told | None, *, link: int | None = None) -> dict[int, float]:
    """Grams by plate of an event, or, of the link of that number, from before an earlier one on."""
    assert found is not None
    change = found.change if link is None else found.links[link].change
    return dict(zip(change.plates.tolist(), change.delta_g.tolist(), strict=True))


class TestAlone:
    def test_as_it_was_reported(self, thoughts: SecondThoughts) -> None:
        found = told(thoughts, event(0, {0: -80, 1: -500}, 0, 1))
        assert grams(found) == {0: -80, 1: -500}
        assert found is not None
        assert (found.doubted, found.links) == (False, ())

    @pytest.mark.parametrize("nothing", [{0: 0.5}, {0: 2.5}])
    def test_nothing_changed(self, thoughts: SecondThoughts, nothing: dict[int, float]) -> None:
        """Within noise, or less than anything weighs."""
        assert told(thoughts, event(0, nothing, 0, 1, kind="touch")) is None


class TestTakenBack:
    """84 g that came and went may have been a hand, or two bars that one put there and another took."""

    CAME = event(0, {1: 84}, 0, 1, final=False)
    BACK = event(0, {1: 0}, 0, 3, kind="touch")

    def test_it_is_told_all_the_same(self, thoughts: SecondThoughts) -> None:
        found = told(thoughts, self.CAME, self.BACK)
        assert grams(found) == {1: 84}
        assert found is not None
        assert found.doubted

    def test_what_follows_is_counted_from_after_it(self, thoughts: SecondThoughts) -> None:
        """The plate stands at -500 g from before the load: -584 g alone, or -500 g with the load as one."""
        first = told(thoughts, self.CAME, self.BACK)
        found = told(thoughts, event(1, {1: -500}, 3.5, 4.5))
        assert grams(found) == {1: -584}
        assert grams(found, link=0) == {1: -500}
        assert found is not None
        assert found.links[0].earlier is first

    def test_a_plate_that_was_cross_talk_after_all(self, thoughts: SecondThoughts) -> None:
        """Much less sure than it was: that is no hand, and the last word stands."""
        found = told(thoughts, self.CAME, event(0, {1: 20}, 0, 3, kind="touch", sigma_g=9.0))
        assert grams(found) == {1: 20}

    def test_one_plate_after_the_other(self, thoughts: SecondThoughts) -> None:
        """First the plate beside is taken back, then all: told is what each had said."""
        said = event(0, {1: -500, 2: 84}, 0, 1, final=False)
        less = event(0, {1: -500, 2: 0}, 0, 2, final=False)
        found = told(thoughts, said, less, event(0, {1: 0, 2: 0}, 0, 3, kind="touch"))
        assert grams(found) == {1: -500, 2: 84}

    def test_a_debt_is_paid_once(self, thoughts: SecondThoughts) -> None:
        told(thoughts, self.CAME, self.BACK)
        told(thoughts, event(1, {1: -500}, 3.5, 4.5))
        assert grams(told(thoughts, event(2, {1: -300}, 9, 10))) == {1: -300}

    def test_an_event_long_after_owes_nothing(self, thoughts: SecondThoughts) -> None:
        told(thoughts, self.CAME, self.BACK)
        found = told(thoughts, event(1, {1: -500}, 60, 61))
        assert grams(found) == {1: -500}
        assert found is not None
        assert not found.links


class TestWaiting:
    def test_a_final_event_waits_for_the_one_it_made_go_back(self, thoughts: SecondThoughts) -> None:
        came, now = event(0, {1: 84}, 0, 1, final=False), event(0, {1: 0}, 0, 2, kind="touch", final=False)
        later, last = event(1, {1: -500}, 2, 3), event(0, {1: 0}, 0, 4, kind="touch")
        assert thoughts.hear(came, 2 * NS) == []
        assert thoughts.hear(now, 3 * NS) == []
        assert thoughts.hear(later, 4 * NS) == []
        assert thoughts.waiting == [later]
        assert thoughts.hear(last, 5 * NS) == [later, last]
        assert thoughts.waiting == []

    def test_nobody_else_waits(self, thoughts: SecondThoughts) -> None:
        thoughts.hear(event(0, {1: 84}, 0, 1, final=False), 2 * NS)
        thoughts.hear(event(0, {1: 0}, 0, 2, kind="touch", final=False), 3 * NS)
        elsewhere = event(1, {3: -500}, 2, 3)
        assert thoughts.hear(elsewhere, 4 * NS) == [elsewhere]


class TestContinued:
    def test_a_change_soon_after_may_be_one_with_it(self, thoughts: SecondThoughts) -> None:
        """The level between them cancels: what both are is better known than the sum of two changes."""
        first = told(thoughts, event(0, {1: -500}, 0, 1))
        found = told(thoughts, event(1, {1: 200, 2: -50}, 1.5, 2.5))
        assert found is not None
        assert found.links[0].earlier is first
        assert grams(found) == {1: 200, 2: -50}
        assert grams(found, link=0) == {1: -300, 2: -50}
        sigma_g = found.links[0].change.sigma_g
        assert sigma_g[0] < np.sqrt(2)
        assert sigma_g[1] == 1

    def test_not_long_after(self, thoughts: SecondThoughts) -> None:
        told(thoughts, event(0, {1: -500}, 0, 1))
        found = told(thoughts, event(1, {1: 200}, 2.5, 3.5))
        assert found is not None
        assert not found.links

    def test_what_comes_to_nothing_together_is_not_one(self, thoughts: SecondThoughts) -> None:
        told(thoughts, event(0, {1: 84}, 0, 1))
        found = told(thoughts, event(1, {1: -84}, 1.5, 2.5))
        assert found is not None
        assert [link.change.sure for link in found.links] == [False]

    @pytest.mark.parametrize(("plate", "beside"), [(2, True), (0, True), (3, False)])
    def test_plates_side_by_side_at_one_time(self, thoughts: SecondThoughts, plate: int, beside: bool) -> None:
        """An item over two plates; plate 3 is on another shelf."""
        told(thoughts, event(0, {1: -500}, 0, 1))
        found = told(thoughts, event(1, {plate: -300}, 0.2, 1.2))
        assert found is not None
        assert bool(found.links) == beside
        if beside:
            assert grams(found, link=0) == {1: -500, plate: -300}

    def test_who_shares_a_plate_comes_before_who_is_beside(self, thoughts: SecondThoughts) -> None:
        same = told(thoughts, event(0, {1: 35}, 0, 0.6))
        told(thoughts, event(1, {2: -40}, 0.1, 1))
        found = told(thoughts, event(2, {1: 58}, 0.2, 2))
        assert found is not None
        assert found.links[0].earlier is same


class TestChained:
    def test_pieces_of_one_thing(self, thoughts: SecondThoughts) -> None:
        """A thing over two plates, on one of which a hand rests meanwhile: 75 g, 190 g, and 133 g less make 132 g."""
        first = told(thoughts, event(0, {0: 74, 1: 1}, 0, 1))
        second = told(thoughts, event(1, {1: 190}, 0.9, 2))
        assert second is not None
        third = told(thoughts, event(2, {1: -133}, 2.5, 3.5))
        assert third is not None
        assert [link.earlier for link in third.links] == [second, first]
        assert (grams(third, link=0), grams(third, link=1)) == ({1: 57}, {0: 74, 1: 58})

    def test_after_a_load_that_was_taken_back(self, thoughts: SecondThoughts) -> None:
        """-100 g, and at once 150 g for a while: what follows is told from after the load, and from before either."""
        told(thoughts, event(0, {1: -100}, 0, 1))
        came = event(1, {1: 150}, 1.5, 2, final=False), event(1, {1: 0}, 1.5, 3, kind="touch")
        told(thoughts, *came)
        found = told(thoughts, event(2, {1: -60}, 3.5, 4.5))
        assert (grams(found), grams(found, link=0), grams(found, link=1)) == ({1: -210}, {1: -60}, {1: -160})

    def test_not_for_ever(self, thoughts: SecondThoughts) -> None:
        for k in range(9):
            found = told(thoughts, event(k, {1: -100}, k, k + 0.5))
        assert found is not None
        assert len(found.links) == LONGEST
