"""Several weight events that may be one."""

from typing import Any

import numpy as np
import pytest

from fusion.association import Candidate, Joint
from test_associator import Shop, at, cause


class TestJoints:
    """Several events that may be one: a thing of 300 g that was told in two pieces."""

    def pieces(self, *earlier: tuple[int, ...]) -> list[Candidate]:
        shop = Shop()
        shop.event({"p1": -180.0}, "p1", None)
        joints = [Joint(names, ["p1"], [-300.0], [1.0]) for names in earlier]
        shop.associator.associate(2, ["p1"], [-120.0], [1.0], ["ann"], at("p1"), joints=joints)
        return shop.associator.candidates(2)

    def test_both_as_one(self) -> None:
        best, *_ = self.pieces((1,))
        assert cause(best) == ("ann", "soup", -1)
        assert best.probability > 0.9

    def test_one_by_itself_is_less_sure(self) -> None:
        assert max(c.probability for c in self.pieces()) < 0.7

    @pytest.mark.parametrize("earlier", [[()], [(7,)], [(1,), (1,)], [(1,), (7, 1)], [("2", [])]])
    def test_names_that_are_none(self, earlier: list[Any]) -> None:
        with pytest.raises((ValueError, TypeError), match=r"earlier|key must"):
            self.pieces(*earlier)


def test_who_was_seen_at_impossible_instants_only_was_not_seen() -> None:
    """Frames of earlier events come along; of a shopper who left before, nothing is known of the grasp."""
    hands = at("p0", "p0")
    hands[:4, 1, 1] = hands[4, 1, 1]
    hands[:4, 0], hands[4:, 1] = np.nan, np.nan
    when = np.where(np.arange(len(hands)) < 4, 1e-310, 1.0)
    associator = Shop().associator
    best, *_ = associator.associate(1, ["p0"], [-500.0], [1.0], ["ann", "bob"], hands, when=when)
    assert cause(best) == ("ann", "cola", -1)
    assert best.probability > 0.95
    assert all(np.isfinite(value) for c in associator.candidates(1) for _, value in c.terms)
