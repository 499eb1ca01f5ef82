"""Sets of hypotheses: pairing, comparing, adding and forgetting records; known answers."""

import numpy as np
import pytest

import worlds
from test_hypotheses import Records, held, scene


class TestJoin:
    def test_independent_pairs(self) -> None:
        one, other = scene([{(0, 1): 1}, {}], [0.7, 0.3]), scene([{(-1, 2): 3}, {(5, 4): 1}], [0.6, 0.4])
        weight, records, source = worlds.join(one, other, 9)
        assert np.exp(weight) == pytest.approx([0.42, 0.28, 0.18, 0.12])
        assert source.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert [held(r) for r in records] == [
            {(-1, 2): 3, (0, 1): 1}, {(0, 1): 1, (5, 4): 1}, {(-1, 2): 3}, {(5, 4): 1}
        ]  # fmt: skip

    def test_the_best_are_kept(self) -> None:
        one, other = scene([{(0, 1): 1}, {}], [0.7, 0.3]), scene([{(1, 2): 3}, {(5, 4): 1}], [0.6, 0.4])
        weight, _, source = worlds.join(one, other, 3)
        assert source.tolist() == [[0, 0], [0, 1], [1, 0]]
        assert np.exp(weight) == pytest.approx(np.array([0.42, 0.28, 0.18]) / 0.88)

    def test_the_negligible_is_dropped(self) -> None:
        one, other = scene([{(0, 1): 1}, {}], [1 - 1e-5, 1e-5]), scene([{(1, 2): 3}, {}], [0.99, 0.01])
        assert len(worlds.join(one, other, 9)[0]) == 3


class TestCertain:
    W = scene([{(0, 1): 1, (2, 3): 1}, {(0, 1): 1, (1, 2): 1, (2, 3): 1, (2, 4): 1}])

    def test_the_same_in_all(self) -> None:
        assert worlds.certain(self.W, 0)
        assert worlds.certain(self.W, 9)

    def test_something_and_nothing(self) -> None:
        assert not worlds.certain(self.W, 1)

    def test_some_and_more(self) -> None:
        assert not worlds.certain(self.W, 2)

    def test_another_quantity(self) -> None:
        assert not worlds.certain(scene([{(0, 1): 1}, {(0, 1): 2}]), 0)


class TestAddToAll:
    STATES: list[Records] = [{(0, 1): 1, (0, 2): 1, (1, 2): 3}, {(-1, 4): 1, (0, 2): 2}]  # noqa: RUF012

    def test_to_what_there_is_and_to_what_there_is_not(self) -> None:
        added = worlds.add_to_all(scene(self.STATES), [(0, 1, 2), (5, 5, 1)])
        assert [held(r) for r in added] == [
            {(0, 1): 3, (0, 2): 1, (1, 2): 3, (5, 5): 1}, {(-1, 4): 1, (0, 1): 2, (0, 2): 2, (5, 5): 1}
        ]  # fmt: skip

    def test_the_first_taken_from_all_leaves_how_they_differ(self) -> None:
        added = worlds.add_to_all(scene(self.STATES), [(0, 1, -1), (0, 2, -1), (1, 2, -3)])
        assert [held(r) for r in added] == [{}, {(-1, 4): 1, (0, 1): -1, (0, 2): 1, (1, 2): -3}]

    def test_what_there_is_is_listed_once(self) -> None:
        assert worlds.list_doubts(scene(self.STATES)) == [(-1, 4), (0, 1), (0, 2), (1, 2)]


class TestForget:
    def test_what_becomes_equal_merges(self) -> None:
        w = scene([{(0, 1): 1}, {(-1, 4): 2, (0, 2): 1}, {(0, 3): 2, (1, 1): 1}, {(1, 1): 1}], [0.4, 0.3, 0.1, 0.2])
        weight, records, share = worlds.forget(w, 0)
        assert [held(r) for r in records] == [{}, {(-1, 4): 2}, {(1, 1): 1}]
        assert np.exp(weight) == pytest.approx([0.4, 0.3, 0.3])
        assert share == pytest.approx(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1 / 3, 2 / 3]]))

    def test_a_stranger_changes_nothing(self) -> None:
        w = scene([{(0, 1): 1}, {}], [0.5, 0.5])
        weight, records, share = worlds.forget(w, 7)
        assert [held(r) for r in records] == [{(0, 1): 1}, {}]
        assert np.exp(weight) == pytest.approx([0.5, 0.5])
        assert share.tolist() == [[1, 0], [0, 1]]
