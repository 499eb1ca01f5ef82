"""Explanations of one event: known answers, properties, extremes, and every backend the same."""

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

import worlds
from crosscheck import agree
from fusion import backends
from fusion.association import AssociationSettings

S = AssociationSettings()
ANY = 1 / log(S.heaviest_g / S.lightest_g)
"""Density per octave (base e) of a thing of unknown mass; over its grams, per gram."""


def log_hands(hands: NDArray[np.float64], half_m: float = 0.1, s: AssociationSettings = S) -> NDArray[np.float64]:
    """`hands` (T, S, H, 3) at one cube around the origin."""
    box = np.array([0, 1], np.int32), np.zeros((1, 3)), np.eye(3)[None].copy(), np.full((1, 3), half_m)
    return np.asarray(backends.kernels("association").hand_log_likelihood(hands, *box, s))


def scores(
    delta_g: list[float],
    inside: list[list[int]],
    facing_product: list[int],
    mass_g: list[float],
    *,
    hands: NDArray[np.float64] | None = None,
    sigma_g: float = 1.0,
    present: tuple[int, ...] = (),
    s: AssociationSettings = S,
) -> dict[tuple[tuple[int, ...], ...], float]:
    """Score of every explanation, by its parts that are not absent; one shopper of ratio 1 everywhere by default."""
    n = len(delta_g)
    w = worlds.World(
        np.array(delta_g),
        np.full(n, sigma_g),
        np.array(inside, np.uint8),
        np.array(facing_product, np.int32),
        np.empty((0, 0, 2, 3)),
        (np.zeros(1, np.int32), np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros((0, 3))),
        np.array(mass_g),
        np.isin(np.arange(len(mass_g)), present).astype(np.uint8),
        *(np.zeros(1), np.zeros(1, np.int32), np.zeros((1, 8, 3), np.int32), np.zeros(1)),
        s,
    )
    parts, score = worlds.explain(w, np.zeros((1, len(inside))) if hands is None else hands)
    keys = [tuple(tuple(part) for part in pair if part[1] >= 0) for pair in parts.tolist()]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, score.tolist(), strict=True))


class TestHands:
    def test_one_hand_in_the_place(self) -> None:
        """Ratio of a half-normal's peak to the uniform over 2 m, unless the hand was missed."""
        peak = S.bystander_m * 2 * stats.norm.pdf(0, scale=S.reach_sigma_m)
        expected = log((1 - S.track_miss) * peak + S.track_miss)
        assert log_hands(np.zeros((1, 1, 1, 3)))[0, 0] == pytest.approx(expected, rel=1e-14)

    def test_the_distance_is_to_the_box(self) -> None:
        """0.3 m and 0.4 m outside two faces are 0.5 m."""
        ratio = S.bystander_m * 2 * stats.norm.pdf(0.5, scale=S.reach_sigma_m)
        expected = log((1 - S.track_miss) * ratio + S.track_miss)
        assert log_hands(np.array([[[[0.4, -0.5, 0.05]]]]))[0, 0] == pytest.approx(expected, rel=1e-12)

    def test_the_instant_of_the_grasp_is_unknown(self) -> None:
        """One of ten frames in the place is a tenth of the density; a hand that was not seen is no evidence."""
        hands = np.full((10, 1, 2, 3), 50.0)
        hands[4, 0, 0] = 0
        hands[:, 0, 1] = np.nan
        peak = S.bystander_m * 2 * stats.norm.pdf(0, scale=S.reach_sigma_m)
        expected = log((1 - S.track_miss) * peak / 10 + S.track_miss)
        assert log_hands(hands)[0, 0] == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("unseen", [np.nan, np.inf, -np.inf])
    def test_never_seen(self, unseen: float) -> None:
        hands = np.zeros((3, 1, 2, 3))
        hands[..., 1] = unseen
        assert log_hands(hands)[0, 0] == log(S.track_miss)
        assert log_hands(hands[:0])[0, 0] == log(S.track_miss)

    def test_no_shoppers(self) -> None:
        assert log_hands(np.zeros((3, 0, 2, 3))).shape == (0, 1)

    @given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 1))
    def test_a_nearer_hand_is_never_less_likely(self, far: float, share: float, x: float) -> None:
        near = far * min(share, 1.0)
        hands = np.array([[[[near, x, 0.0]], [[far, x, 0.0]]]])
        result = log_hands(hands)[:, 0]
        assert result[0] >= result[1] >= log(S.track_miss)

    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1))
    def test_order_and_place_do_not_matter(self, seed: int) -> None:
        """Shoppers permuted, time reversed, hands swapped, the whole store moved by a binary fraction."""
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        w.hands = np.random.default_rng(seed).normal(0, 1, (4, 3, 2, 3))
        expected = worlds.hand_log_likelihood(w)
        w.hands = np.ascontiguousarray(w.hands[::-1, [2, 0, 1], ::-1]) + 4
        w.boxes = w.boxes[0], w.boxes[1] + 4, w.boxes[2], w.boxes[3]
        np.testing.assert_allclose(worlds.hand_log_likelihood(w), expected[[2, 0, 1]], rtol=1e-9, atol=1e-9)


class TestKnownAnswers:
    """One plate, one facing (place 1), one shopper; the likelihoods from the model's description."""

    def of_mass(self, total: float, mass: float, units: int = 1) -> float:
        normal = stats.norm.pdf(total, units * mass, sqrt(1 + units * (S.mass_spread * mass) ** 2))
        return float((1 - S.wrong_mass) * normal + S.wrong_mass * self.off(total, mass, units))

    def off(self, total: float, mass: float, units: int = 1) -> float:
        """Density of what a wrong catalogue mass, off by a log-normal factor, would weigh."""
        return float(stats.lognorm.pdf(total, log(S.wrong_factor), scale=units * mass))

    def test_null(self) -> None:
        """Uniform per octave; one plate, so nothing to divide."""
        assert scores([-200.0], [[1]], [], [])[()] == pytest.approx(log(S.null * ANY / 200), rel=1e-13)

    def test_a_take_from_the_facing(self) -> None:
        found = scores([-203.0], [[1], [1]], [0], [200.0])
        for units in range(1, S.max_units + 1):
            prior = (1 - S.more_units) * S.more_units ** (units - 1)
            expected = log(prior * self.of_mass(203, 200, units))
            assert found[((0, 0, -units, 1),)] == pytest.approx(expected, rel=1e-12)

    def test_a_return_is_the_mirror_of_a_take(self) -> None:
        take, back = (scores([d], [[1], [1]], [0], [200.0]) for d in (-203.0, 203.0))
        assert {tuple((k, p, -q, b) for k, p, q, b in key): v for key, v in take.items()} == back

    def test_a_product_of_unknown_mass(self) -> None:
        found = scores([-203.0], [[1], [1]], [0], [np.nan])
        assert found[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * ANY / 203), rel=1e-12)

    def test_a_wrong_catalogue_mass(self) -> None:
        """Nothing is left of the normal density; the log-normal one does not vanish."""
        found = scores([-203.0], [[1], [1]], [0], [900.0])
        expected = log((1 - S.more_units) * S.wrong_mass * self.off(203, 900))
        assert found[((0, 0, -1, 1),)] == pytest.approx(expected, rel=1e-12)

    def test_a_neighbour_shows_cross_talk_or_overhang(self) -> None:
        """The facing has the first plate alone; the second is outside it, but part of the event's own place."""
        found = scores([-200.0, -3.0], [[1, 1], [1, 0]], [0], [200.0])
        v = 1 + (S.cross_talk * 200) ** 2
        outside = (1 - S.overhang) * stats.norm.pdf(3, scale=sqrt(v)) + S.overhang / 200
        v203 = 2 + (S.mass_spread * 200) ** 2
        both = (1 - S.wrong_mass) * stats.norm.pdf(3, scale=sqrt(v203)) + S.wrong_mass * self.off(203, 200)
        expected = (1 - S.overhang) * self.of_mass(200, 200) * outside + S.overhang * both / 203
        assert found[((0, 0, -1, 1),)] == pytest.approx(log((1 - S.more_units) * expected), rel=1e-12)

    def test_two_products_on_two_plates(self) -> None:
        """Two independent sums, each on its only plate."""
        found = scores([-200.0, -300.0], [[1, 1], [1, 0], [0, 1]], [0, 1], [200.0, 300.0])
        expected = log(S.coincidence * self.of_mass(200, 200) * self.of_mass(300, 300))
        assert found[((0, 0, -1, 1), (0, 1, -1, 2))] == pytest.approx(expected, rel=1e-12)

    def test_two_products_on_one_plate(self) -> None:
        """Only the sum is known."""
        found = scores([-100.0], [[1], [1], [1]], [0, 1], [200.0, 300.0])
        v = 1 + S.mass_spread**2 * (200**2 + 300**2)
        expected = stats.norm.logpdf(0, scale=sqrt(v)) + log(S.coincidence)
        assert found[((0, 0, 1, 1), (0, 1, -1, 2))] == pytest.approx(expected, rel=1e-12)

    def test_who_and_where(self) -> None:
        """Each shopper's ratio at the place counts; each is as likely beforehand."""
        hands = np.array([[0.5, -1.0], [0.1, 2.0]])
        found = scores([-203.0], [[1], [1]], [0], [200.0], hands=hands)
        for k in range(2):
            expected = log((1 - S.more_units) / 2 * self.of_mass(203, 200)) + hands[k, 1]
            assert found[((k, 0, -1, 1),)] == pytest.approx(expected, rel=1e-12)

    def test_what_may_have_been_misplaced(self) -> None:
        """In the event's own place: what fits the change, or is present."""
        found = scores([-203.0], [[1]], [], [200.0, 900.0, 500.0, np.nan], present=(2,))
        assert {key[0][1] for key in found if len(key) == 1} == {0, 2}

    def test_nobody_near_leaves_the_null(self) -> None:
        assert list(scores([-203.0], [[1], [1]], [0], [200.0], hands=np.zeros((0, 2)))) == [()]

    def test_echo(self) -> None:
        """The same weight goes as came: the echo's density beside the null's."""
        kernel = backends.kernels("association")
        delta, sigma, null = np.array([-100.0, -40.0]), np.array([1.0, 2.0]), -12.0
        v = 2 * sigma**2 + (S.cross_talk * delta) ** 2
        echo = stats.norm.logpdf(0, scale=np.sqrt(v)).sum() + log(S.echo)
        expected = special.logsumexp([echo, null]) - null
        assert kernel.log_echo(delta, sigma, -delta, sigma, null, S) == pytest.approx(expected, rel=1e-12)
        assert kernel.log_echo(delta, sigma, delta * 9, sigma, null, S) == 0.0


class TestProperties:
    @given(st.floats(0, 400), st.floats(0, 400))
    def test_more_error_of_mass_never_scores_more(self, a: float, b: float) -> None:
        less, more = sorted((a, b))
        near, far = (scores([-500.0], [[1], [1]], [0], [500.0 + e])[((0, 0, -1, 1),)] for e in (less, more))
        assert near >= far

    @given(st.floats(0, 400), st.floats(0, 400))
    def test_more_error_of_weight_never_scores_more(self, a: float, b: float) -> None:
        less, more = sorted((a, b))
        near, far = (scores([-500.0 - e], [[1], [1]], [0], [500.0])[((0, 0, -1, 1),)] for e in (less, more))
        assert near >= far

    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1))
    def test_permuted_shoppers_permute_the_explanations(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        llr = worlds.hand_log_likelihood(w)
        order = np.array([2, 0, 1])

        def named(parts: NDArray[np.int32], score: NDArray[np.float64], who: NDArray[np.int64]) -> dict[object, float]:
            names = {-1: -1, **{k: int(who[k]) for k in range(3)}}
            keys = [frozenset((names[k], p, q, b) for k, p, q, b in pair) for pair in parts.tolist()]
            return dict(zip(keys, score.tolist(), strict=True))

        expected = named(*worlds.explain(w, llr), np.arange(3))
        found = named(*worlds.explain(w, np.ascontiguousarray(llr[order])), order)
        assert found == pytest.approx(expected, rel=1e-12)

    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1))
    def test_permuted_plates_change_nothing(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=2, plates=4)
        llr = worlds.hand_log_likelihood(w)
        parts, score = worlds.explain(w, llr)
        order = [3, 1, 0, 2]
        w.delta_g, w.sigma_g, w.inside = w.delta_g[order], w.sigma_g[order], w.inside[:, order].copy()
        again, score_again = worlds.explain(w, llr)
        np.testing.assert_array_equal(again, parts)
        np.testing.assert_allclose(score_again, score, rtol=1e-9)

    def test_an_equal_place_is_an_equal_score(self) -> None:
        """The same event over the other of two facings alike."""
        masses = [200.0, 200.0]
        left = scores([-200.0, 0.0], [[1, 0], [1, 0]], [0], masses)
        right = scores([0.0, -200.0], [[0, 1], [0, 1]], [0], masses)
        assert left == pytest.approx(right, rel=1e-14)

    @settings(max_examples=50)
    @given(st.integers(0, 2**32 - 1))
    def test_too_little_room_tells_how_much_is_needed(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=2)
        llr = worlds.hand_log_likelihood(w)
        parts, score = worlds.explain(w, llr, room=4096)
        few, few_score = np.full((1, 2, 4), -9, np.int32), np.zeros(1)
        explain = backends.kernels("association").explain
        event = w.delta_g, w.sigma_g, w.inside, w.facing_product, llr, w.mass_g, w.present
        assert explain(*event, few, few_score, w.settings) == len(score)
        np.testing.assert_array_equal(few, parts[:1])
        again, score_again = worlds.explain(w, llr, room=1)
        np.testing.assert_array_equal(again, parts)
        np.testing.assert_array_equal(score_again, score)


def test_every_backend_the_same() -> None:
    """Ordinary, degenerate and extreme events; the scores are numbers, at worst minus infinity."""
    pairs = retries = 0
    for seed in range(240):
        w = worlds.world(np.random.default_rng(seed))

        def run(w: worlds.World = w) -> tuple[object, ...]:
            llr = worlds.hand_log_likelihood(w)
            earlier = -w.delta_g[::-1].copy()
            echo = backends.kernels("association").log_echo(w.delta_g, w.sigma_g, earlier, w.sigma_g, -9.0, w.settings)
            return float(echo), llr, *worlds.explain(w, llr, room=64)

        echo, llr, parts, score = agree(run, rtol=1e-12)
        assert echo >= 0
        assert np.isfinite(llr).all()
        assert not np.isnan(score).any()
        assert np.isfinite(score[0])
        pairs += int((parts[:, 1, 1] >= 0).sum())
        retries += len(score) > 64
    assert pairs > 100
    assert retries > 10


def test_the_uniform_density_integrates_to_one() -> None:
    """`ANY` is what makes the octaves from the lightest to the heaviest sum up."""
    grams = np.geomspace(S.lightest_g, S.heaviest_g, 100_001)
    assert np.trapezoid(ANY / grams, grams) == pytest.approx(1, rel=1e-6)
