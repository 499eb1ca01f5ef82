"""Explanations of one event: known answers, brute force, properties, extremes, and every backend the same."""

from collections.abc import Iterator
from itertools import combinations_with_replacement
from itertools import product as cartesian
from math import exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import worlds
from crosscheck import agree
from fusion.association import AssociationSettings

S = AssociationSettings()
ANY = 1 / log(S.heaviest_g / S.lightest_g)
"""Density per octave (base e) of a thing of unknown mass; over its grams, per gram."""
Part = tuple[int, int, int, int]


def event(
    delta_g: list[float],
    inside: list[list[int]],
    facing_product: list[int],
    mass_g: list[float],
    *,
    present: tuple[int, ...] = (),
    **options: Any,
) -> worlds.World:
    return worlds.World(
        np.array(delta_g),
        np.ones(len(delta_g)),
        np.array(inside, np.uint8),
        np.array(facing_product, np.int32),
        np.array(mass_g),
        np.isin(np.arange(len(mass_g)), present).astype(np.uint8),
        **options,
    )


def told(w: worlds.World, hands: NDArray[np.float64] | None = None) -> dict[tuple[Part, ...], float]:
    """Score of every explanation, by its parts in order; one shopper of ratio 1 everywhere by default."""
    found = worlds.explain(w, np.zeros((1, len(w.inside))) if hands is None else hands)
    np.testing.assert_allclose(found.terms.sum(axis=1), found.score, rtol=1e-12)
    keys = [tuple(sorted(tuple(part) for part in parts if part[1] >= 0)) for parts in found.parts.tolist()]
    assert len(set(keys)) == len(keys), "an explanation is listed twice"
    return dict(zip(keys, found.score.tolist(), strict=True))


def of_mass(total: float, mass: float, units: int = 1, var: float = 1.0, s: AssociationSettings = S) -> float:
    """Density of a change (signed like `units`) by units of a catalogue mass, which may be wrong."""
    if total * units <= 0:
        return 0.0
    if np.isnan(mass):
        return 1 / log(s.heaviest_g / s.lightest_g) / max(abs(total), s.lightest_g)
    normal = stats.norm.pdf(total, units * mass, sqrt(var + abs(units) * (s.mass_spread * mass) ** 2))
    off = stats.lognorm.pdf(abs(total), log(s.wrong_factor), scale=abs(units) * mass)
    return float((1 - s.wrong_mass) * normal + s.wrong_mass * off)


def outside(delta: float, moved: float, var: float = 1.0, s: AssociationSettings = S) -> float:
    """Density of the change of a plate that is in no place of what moved."""
    scale = max(moved, s.lightest_g)
    cross = stats.norm.pdf(delta, scale=sqrt(var + (s.cross_talk * scale) ** 2))
    return float((1 - s.overhang) * cross + s.overhang / scale * (abs(delta) <= scale))


class TestKnownAnswers:
    """One plate, one facing (place 1), one shopper; the likelihoods from the model's description."""

    def test_null(self) -> None:
        """Uniform per octave; one plate, so nothing to divide."""
        assert told(event([-200.0], [[1]], [], []))[()] == pytest.approx(log(S.null * ANY / 200), rel=1e-13)
        w = event([-200.0], [[1]], [], [], null=S.doubted)
        assert told(w)[()] == pytest.approx(log(S.doubted * ANY / 200), rel=1e-13)

    def test_what_is_foreign_came_by_a_hand_too(self) -> None:
        """The mean of everybody's ratios, or nobody was near."""
        w = event([-200.0], [[1]], [], [])
        expected = log(S.null * ANY / 200 * (exp(3) + exp(1)) / 2)
        assert told(w, np.array([[3.0], [1.0]]))[()] == pytest.approx(expected, rel=1e-13)
        assert told(w, np.array([[-3.0], [-1.0]]))[()] == pytest.approx(log(S.null * ANY / 200), rel=1e-13)

    def test_a_take_from_the_facing(self) -> None:
        found = told(event([-203.0], [[1], [1]], [0], [200.0]))
        for units in (1, 2):
            prior = (1 - S.more_units) * S.more_units ** (units - 1)
            expected = log(prior * of_mass(203, 200, units))
            assert found[((0, 0, -units, 1),)] == pytest.approx(expected, rel=1e-12)

    def test_staff_move_many(self) -> None:
        """A case of twelve; of two people near only one may have done it."""
        w = event([2405.0], [[1], [1]], [0], [200.0], staff=np.array([1, 0], np.uint8))
        found = told(w, np.zeros((2, 2)))
        prior = (1 - S.more_restocked) * S.more_restocked**11 / 2
        assert found[((0, 0, 12, 1),)] == pytest.approx(log(prior * of_mass(2405, 200, 12)), rel=1e-12)
        assert max(found, key=lambda key: found[key]) == ((0, 0, 12, 1),)
        assert max(q for key in found for k, _, q, _ in key if k == 1) <= S.max_units

    def test_a_return_is_the_mirror_of_a_take(self) -> None:
        take, back = (told(event([d], [[1], [1]], [0], [200.0])) for d in (-203.0, 203.0))
        assert {tuple(sorted((k, p, -q, b) for k, p, q, b in key)): v for key, v in take.items()} == back

    def test_a_product_sold_by_weight(self) -> None:
        """One of any mass; never several units."""
        found = told(event([-203.0], [[1], [1]], [0], [np.nan]))
        assert found[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * ANY / 203), rel=1e-12)
        assert set(found) == {(), ((0, 0, -1, 1),)}

    def test_a_wrong_catalogue_mass(self) -> None:
        """Nothing is left of the normal density; the log-normal one does not vanish."""
        found = told(event([-203.0], [[1], [1]], [0], [900.0]))
        off = stats.lognorm.pdf(203, log(S.wrong_factor), scale=900)
        assert found[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * S.wrong_mass * off), rel=1e-12)

    def test_a_neighbour_shows_cross_talk_or_overhang(self) -> None:
        """The facing has the first plate alone; the second is outside it, but part of the event's own place."""
        found = told(event([-200.0, -3.0], [[1, 1], [1, 0]], [0], [200.0]))
        expected = (1 - S.overhang) * of_mass(200, 200) * outside(3, 200)
        expected += S.overhang * of_mass(203, 200, var=2) / 203
        assert found[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * expected), rel=1e-12)

    def test_no_more_reaches_over_than_there_is(self) -> None:
        """-230 g beside a thing of 200 g are not its own; -190 g may be."""
        more, less = (told(event([-200.0, d], [[1, 1], [1, 0]], [0], [200.0])) for d in (-230.0, -190.0))
        both = S.overhang * of_mass(430, 200, var=2) / 430
        assert more[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * both), rel=1e-12)
        expected = (1 - S.overhang) * of_mass(200, 200) * outside(190, 200)
        expected += S.overhang * of_mass(390, 200, var=2) / 390
        assert less[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * expected), rel=1e-12)

    def test_two_products_on_two_plates(self) -> None:
        """Two independent sums, each on its only plate."""
        found = told(event([-200.0, -300.0], [[1, 1], [1, 0], [0, 1]], [0, 1], [200.0, 300.0]))
        expected = log(S.coincidence * of_mass(200, 200) * of_mass(300, 300))
        assert found[((0, 0, -1, 1), (0, 1, -1, 2))] == pytest.approx(expected, rel=1e-12)

    def test_an_exchange_on_one_plate(self) -> None:
        """Only the sum is known; the catalogue must be right for both."""
        found = told(event([-100.0], [[1], [1], [1]], [0, 1], [200.0, 300.0]))
        v = 1 + S.mass_spread**2 * (200**2 + 300**2)
        expected = stats.norm.logpdf(0, scale=sqrt(v)) + log(S.coincidence * S.exchanging)
        assert found[((0, 0, 1, 1), (0, 1, -1, 2))] == pytest.approx(expected, rel=1e-12)

    def test_three_products_on_one_plate(self) -> None:
        masses = [210.0, 330.0, 470.0]
        found = told(event([-1012.0], [[1], [1], [1], [1]], [0, 1, 2], masses))
        v = 1 + S.mass_spread**2 * sum(m * m for m in masses)
        expected = stats.norm.logpdf(2, scale=sqrt(v)) + 2 * log(S.coincidence)
        assert found[((0, 0, -1, 1), (0, 1, -1, 2), (0, 2, -1, 3))] == pytest.approx(expected, rel=1e-12)

    def test_three_by_three_shoppers(self) -> None:
        """Three plates, a hand in each."""
        hands = np.full((3, 4), -2.0)
        hands[[0, 1, 2], [1, 2, 3]] = 2.5
        inside = [[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
        w = event([-200.0, -300.0, -400.0], inside, [0, 1, 2], [200.0, 300.0, 400.0])
        found = told(w, hands)
        weight = of_mass(200, 200) * of_mass(300, 300) * of_mass(400, 400)
        best = ((0, 0, -1, 1), (1, 1, -1, 2), (2, 2, -1, 3))
        assert found[best] == pytest.approx(log(S.coincidence**2 / 27 * weight) + 7.5, rel=1e-12)
        assert max(found, key=lambda key: found[key]) == best

    def test_one_unit_each_by_two_shoppers(self) -> None:
        """That is a pair; both by one are two units, and no pair."""
        found = told(event([-400.0], [[1], [1]], [0], [200.0]), np.zeros((2, 2)))
        v = 1 + 2 * S.mass_spread**2 * 200**2
        expected = stats.norm.logpdf(0, scale=sqrt(v)) + log(S.coincidence / 4)
        assert found[((0, 0, -1, 1), (1, 0, -1, 1))] == pytest.approx(expected, rel=1e-12)
        assert ((0, 0, -1, 1), (0, 0, -1, 1)) not in found

    def test_who_and_where(self) -> None:
        """Each shopper's ratio at the place counts; each is as likely beforehand."""
        hands = np.array([[0.5, -1.0], [0.1, 2.0]])
        found = told(event([-203.0], [[1], [1]], [0], [200.0]), hands)
        for k in range(2):
            expected = log((1 - S.more_units) / 2 * of_mass(203, 200)) + hands[k, 1]
            assert found[((k, 0, -1, 1),)] == pytest.approx(expected, rel=1e-12)

    def test_what_was_seen_counts(self) -> None:
        """Equal weights: the ratio of each shopper and product adds to the score, in every multiset."""
        w = event([-200.0], [[1], [1], [1]], [0, 1], [200.0, 200.0])
        blind = told(w, np.zeros((2, 3)))
        w.vision = np.array([[1.0, -2.0], [0.5, 4.0]])
        seen = told(w, np.zeros((2, 3)))
        for key in seen.keys() & blind.keys():
            expected = blind[key] + sum(w.vision[k, p] for k, p, _, _ in key)
            assert seen[key] == pytest.approx(expected, rel=1e-12)
        assert max(seen, key=lambda key: seen[key]) == ((1, 1, -1, 2),)

    def test_what_may_have_been_misplaced(self) -> None:
        """In the event's own place: what fits the change, or is present."""
        found = told(event([-203.0], [[1]], [], [200.0, 900.0, 500.0, np.nan], present=(2,)))
        assert {key[0][1] for key in found if len(key) == 1} == {0, 2}

    def test_what_merely_fits_moves_alone(self) -> None:
        """Products of which nobody knows here are in no pair."""
        w = event([-203.0], [[1], [1]], [0], [100.0, 203.0, 103.0], present=(2,))
        assert {p for key in told(w) if len(key) > 1 for _, p, _, _ in key} == {0, 2}

    def test_nobody_near_leaves_the_null(self) -> None:
        assert list(told(event([-203.0], [[1], [1]], [0], [200.0]), np.zeros((0, 2)))) == [()]


def _joined(w: worlds.World, places: list[int]) -> list[set[int]]:
    """Indices of places in groups that share plates, directly or by way of others."""
    groups: list[set[int]] = []
    for i, place in enumerate(places):
        touching = [g for g in groups if any((w.inside[places[k]] & w.inside[place]).any() for k in g)]
        groups = [g for g in groups if g not in touching] + [{i}.union(*touching)]
    return groups


def _weight(w: worlds.World, moves: list[tuple[int, int, int]]) -> float:
    """Density of the event by one unit of each move (product, sign, place); 0 if a sum is seven sigma off."""
    s = w.settings
    density, moved = 1.0, 0.0
    groups = _joined(w, [place for _, _, place in moves])
    for group in groups:
        own = w.inside[[moves[i][2] for i in group]].any(axis=0)
        total, var = w.delta_g[own].sum(), (w.sigma_g[own] ** 2).sum()
        if len(group) == 1:
            product, sign, _ = moves[next(iter(group))]
            density *= of_mass(total, w.mass_g[product], sign, var, s)
            moved += abs(total)
        else:
            masses = np.array([w.mass_g[moves[i][0]] for i in group])
            sigma = sqrt(var + s.mass_spread**2 * (masses**2).sum())
            z = total - sum(moves[i][1] * w.mass_g[moves[i][0]] for i in group)
            if not z * z <= 50 * sigma**2:
                return 0.0
            density *= stats.norm.pdf(z, scale=sigma)
            moved += masses.sum()
    scale = max(moved, s.lightest_g)
    inside = w.inside[[place for _, _, place in moves]].any(axis=0)
    for k in np.flatnonzero(~inside):
        density *= outside(w.delta_g[k], scale, w.sigma_g[k] ** 2, s)
    return float(density * scale ** (len(groups) - inside.sum()))


def _known(w: worlds.World) -> list[tuple[int, int]]:
    """(product, place) of what stands, lies or is carried here."""
    return [(p, 1 + j) for j, p in enumerate(w.facing_product.tolist())] + [
        (p, 0) for p in np.flatnonzero(w.present).tolist()
    ]


def multisets(w: worlds.World, hands: NDArray[np.float64]) -> Iterator[tuple[tuple[Part, ...], float]]:
    """Every explanation by two or three parts with its probability, by trying them all."""
    s, shoppers = w.settings, range(len(hands))
    way = np.where(w.inside @ w.delta_g < 0, -1, 1)
    for n in (2, 3):
        for items in combinations_with_replacement(_known(w), n):
            for signs in cartesian((-1, 1), repeat=n):
                moves = [(p, sign, place) for (p, place), sign in zip(items, signs, strict=True)]
                if n == 3 and any(sign != way[place] for _, sign, place in moves):
                    continue  # of three, each goes the way its plates went
                if (
                    n == 2
                    and moves[0][0] == moves[1][0]
                    and signs[0] != signs[1]
                    and len(_joined(w, [m[2] for m in moves])) == 1
                ):
                    continue  # nothing has moved
                weight = _weight(w, moves)
                prior = (
                    s.coincidence ** (n - 1) / len(hands) ** n * (s.exchanging if n == 2 and len(set(signs)) > 1 else 1)
                )
                for who in cartesian(shoppers, repeat=n):
                    parts = [(k, p, sign, place) for k, (p, sign, place) in zip(who, moves, strict=True)]
                    if len(set(parts)) > 1:  # else it is several units of one item
                        ratio = sum(hands[k, place] for k, _, _, place in parts)
                        look = (
                            sum(w.vision[k, p] for k, p, _, _ in parts) if w.vision is not None and len(w.vision) else 0
                        )
                        yield tuple(sorted(parts)), weight * prior * exp(ratio + look)


@pytest.mark.parametrize("seed", range(60))
def test_pairs_and_triples_are_all_there_are(seed: int) -> None:
    """Against trying every multiset of items, signs and shoppers."""
    w = worlds.world(np.random.default_rng(seed), shoppers=1 + seed % 2, facings=2 + seed % 3, products=5)
    rng = np.random.default_rng([seed, 1])
    w.settings, w.staff = S._replace(negligible=1e-9), np.zeros(1 + seed % 2, np.uint8)
    w.delta_g, w.sigma_g = rng.normal(0, 2, len(w.delta_g)), np.ones(len(w.delta_g))
    for p, place in [_known(w)[k] for k in rng.integers(0, len(_known(w)), 1 + seed % 3)]:
        w.delta_g[rng.choice(np.flatnonzero(w.inside[place]))] -= np.nan_to_num(w.mass_g[p], nan=80.0)
    hands = rng.normal(0, 2, (1 + seed % 2, len(w.inside)))
    found = told(w, hands)
    floor = max(v for key, v in found.items() if len(key) < 2) + log(w.settings.negligible)
    expected = {key: log(v) for key, v in multisets(w, hands) if v > 0}
    several = {key: v for key, v in found.items() if len(key) > 1}
    assert several.keys() >= {key for key, v in expected.items() if v > floor + 1e-9}
    assert several.keys() <= {key for key, v in expected.items() if v > floor - 1e-9}
    assert several == pytest.approx({key: expected[key] for key in several}, rel=1e-9, abs=1e-9)


class TestProperties:
    @given(st.floats(0, 400), st.floats(0, 400))
    def test_more_error_of_mass_never_scores_more(self, a: float, b: float) -> None:
        less, more = sorted((a, b))
        near, far = (told(event([-500.0], [[1], [1]], [0], [500.0 + e]))[((0, 0, -1, 1),)] for e in (less, more))
        assert near >= far

    @given(st.floats(0, 400), st.floats(0, 400))
    def test_more_error_of_weight_never_scores_more(self, a: float, b: float) -> None:
        less, more = sorted((a, b))
        near, far = (told(event([-500.0 - e], [[1], [1]], [0], [500.0]))[((0, 0, -1, 1),)] for e in (less, more))
        assert near >= far

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_permuted_shoppers_permute_the_explanations(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        hands, order = worlds.hand_log_likelihood(w), np.array([2, 0, 1])
        expected = {
            tuple(sorted((int(np.flatnonzero(order == k)[0]), p, q, b) for k, p, q, b in key)): v
            for key, v in told(w, hands).items()
        }
        assert w.staff is not None
        assert w.vision is not None
        w.staff = w.staff[order]
        w.vision = np.ascontiguousarray(w.vision[order]) if len(w.vision) else w.vision
        assert told(w, np.ascontiguousarray(hands[order])) == pytest.approx(expected, rel=1e-9)

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_permuted_plates_change_nothing(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=2, plates=4)
        hands = worlds.hand_log_likelihood(w)
        first, order = worlds.explain(w, hands), [3, 1, 0, 2]
        w.delta_g, w.sigma_g, w.inside = w.delta_g[order], w.sigma_g[order], w.inside[:, order].copy()
        again = worlds.explain(w, hands)
        np.testing.assert_array_equal(again.parts, first.parts)
        np.testing.assert_allclose(again.score, first.score, rtol=1e-9)

    def test_an_equal_place_is_an_equal_score(self) -> None:
        """The same event over the other of two facings alike."""
        left = told(event([-200.0, 0.0], [[1, 0], [1, 0]], [0], [200.0, 200.0]))
        right = told(event([0.0, -200.0], [[0, 1], [0, 1]], [0], [200.0, 200.0]))
        assert left == pytest.approx(right, rel=1e-14)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_too_little_room_tells_how_much_is_needed(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=2)
        hands = worlds.hand_log_likelihood(w)
        whole, again = worlds.explain(w, hands, room=4096), worlds.explain(w, hands, room=1)
        np.testing.assert_array_equal(again.parts, whole.parts)
        np.testing.assert_array_equal(again.terms, whole.terms)
        np.testing.assert_array_equal(again.score, whole.score)


def test_every_backend_the_same() -> None:
    """Ordinary, degenerate and extreme events; the scores are numbers, at worst minus infinity."""
    several = [0, 0, 0, 0]
    retries = 0
    for seed in range(160):
        w = worlds.world(np.random.default_rng(seed))
        hands = worlds.hand_log_likelihood(w)

        def run(w: worlds.World = w, hands: NDArray[np.float64] = hands) -> tuple[Any, ...]:
            found = worlds.explain(w, hands, room=32)
            return found.parts, found.terms, found.score

        parts, terms, score = agree(run, rtol=1e-12)
        assert not np.isnan(score).any()
        assert np.isfinite(terms[0]).all()
        for n in (parts[:, :, 1] >= 0).sum(axis=1).tolist():
            several[n] += 1
        retries += len(score) > 32
    assert several[0] == 160
    assert min(several) > 100
    assert retries > 10
