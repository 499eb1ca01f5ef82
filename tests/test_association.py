"""Likelihoods of hand paths and of echoes: known answers, properties, extremes, and every backend the same."""

from math import log, sqrt
from typing import Any

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
from fusion.reference.association import log_any_mass

S = AssociationSettings()
FAR = log((1 - S.track_swap) * 0 + S.track_swap)


def log_hands(
    hands: NDArray[np.float64], var: Any = None, when: Any = None, half_m: float = 0.1
) -> NDArray[np.float64]:
    """`hands` (T, S, H, 3) at one cube around the origin."""
    cube = np.array([0, 1], np.int32), np.zeros((1, 3)), np.eye(3)[None].copy(), np.full((1, 3), half_m)
    none = np.zeros(0)
    w = worlds.World(none, none, np.ones((1, 1)), none, none, none, hands, var, when, cube)
    return worlds.hand_log_likelihood(w)


def ratio(*out_m: float, var: float = 0.0, weights: Any = None) -> float:
    """Of hands so far out of the box: a half-normal density against a uniform one; off, swapped or neither."""
    out = np.array(out_m)
    right = np.average(2 * stats.norm.pdf(out, scale=sqrt(S.reach_sigma_m**2 + var)), weights=weights)
    off = np.average(2 * stats.norm.pdf(out, scale=sqrt(S.miss_sigma_m**2 + var)), weights=weights)
    found = S.bystander_m * ((1 - S.track_miss) * right + S.track_miss * off)
    return log((1 - S.track_swap) * found + S.track_swap)


class TestHands:
    def test_one_hand_in_the_place(self) -> None:
        assert log_hands(np.zeros((1, 1, 1, 3)))[0, 0] == pytest.approx(ratio(0.0), rel=1e-13)

    def test_the_distance_is_to_the_box(self) -> None:
        """0.3 m and 0.4 m outside two faces are 0.5 m."""
        assert log_hands(np.array([[[[0.4, -0.5, 0.05]]]]))[0, 0] == pytest.approx(ratio(0.5), rel=1e-12)

    def test_an_uncertain_hand_is_spread(self) -> None:
        found = log_hands(np.array([[[[0.4, -0.5, 0.05]]]]), np.full((1, 1, 1), 0.09))
        assert found[0, 0] == pytest.approx(ratio(0.5, var=0.09), rel=1e-12)

    def test_the_instant_of_the_grasp_is_unknown(self) -> None:
        """One of ten frames in the place is a tenth of the density; a hand that was not seen is no evidence."""
        hands = np.full((10, 1, 2, 3), 50.0)
        hands[4, 0, 0] = 0
        hands[:, 0, 1] = np.nan
        assert log_hands(hands)[0, 0] == pytest.approx(ratio(0, *[np.inf] * 9), rel=1e-12)

    def test_an_instant_counts_by_its_probability(self) -> None:
        """0.1 m out, then 0.2 m, which is three times as likely the instant; one that cannot be it says nothing."""
        hands = np.array([0.2, 0.3, 0.1])[:, None, None, None] * [1.0, 0.0, 0.0]
        found = log_hands(hands, when=np.array([2.0, 6.0, 0.0]))
        assert found[0, 0] == pytest.approx(ratio(0.1, 0.2, weights=[1, 3]), rel=1e-12)
        assert log_hands(hands, when=np.zeros(3))[0, 0] == log(S.track_miss)

    def test_far_away_the_track_must_have_been_anothers(self) -> None:
        assert log_hands(np.full((3, 1, 2, 3), 50.0))[0, 0] == pytest.approx(FAR, rel=1e-12)

    @pytest.mark.parametrize("unseen", [np.nan, np.inf, -np.inf])
    def test_never_seen(self, unseen: float) -> None:
        hands = np.zeros((3, 1, 2, 3))
        hands[..., 1] = unseen
        assert log_hands(hands)[0, 0] == log(S.track_miss)
        assert log_hands(hands[:0])[0, 0] == log(S.track_miss)

    def test_no_shoppers(self) -> None:
        assert log_hands(np.zeros((3, 0, 2, 3))).shape == (0, 1)

    @given(st.floats(0, 3), st.floats(0, 1), st.floats(0, 1))
    def test_a_nearer_hand_is_never_less_likely(self, far: float, share: float, x: float) -> None:
        near = far * share
        result = log_hands(np.array([[[[near, x, 0.0]], [[far, x, 0.0]]]]))[:, 0]
        assert result[0] >= result[1] >= FAR - 1e-12

    @settings(max_examples=30)
    @given(st.integers(0, 2**32 - 1))
    def test_order_and_place_do_not_matter(self, seed: int) -> None:
        """Shoppers permuted, time reversed, hands swapped, the whole store moved by a binary fraction."""
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        rng = np.random.default_rng(seed)
        w.hands, w.var, w.when = rng.normal(0, 1, (4, 3, 2, 3)), rng.uniform(0, 0.1, (4, 3, 2)), rng.uniform(0, 1, 4)
        expected = worlds.hand_log_likelihood(w)
        order = [2, 0, 1]
        w.hands = np.ascontiguousarray(w.hands[::-1, order, ::-1]) + 4
        w.var, w.when = np.ascontiguousarray(w.var[::-1, order, ::-1]), w.when[::-1].copy()
        w.boxes = w.boxes[0], w.boxes[1] + 4, w.boxes[2], w.boxes[3]
        np.testing.assert_allclose(worlds.hand_log_likelihood(w), expected[order], rtol=1e-9, atol=1e-9)


def log_echo(total: float, earlier: float, null: float = 0.01, var: float = 1.0) -> float:
    return float(backends.kernels("association").log_echo(total, var, earlier, 2.0, null, S))


class TestEcho:
    def test_the_same_weight_goes_as_came(self) -> None:
        """The echo's density beside that of anything foreign, 100 g being one of the octaves."""
        v = 1 + 2 + (S.cross_talk * 100) ** 2 + S.echo_sigma_g**2
        back = log(S.echo) + stats.norm.logpdf(2, scale=sqrt(v))
        anything = log(0.01) - log(98) - log(log(S.heaviest_g / S.lightest_g))
        assert log_echo(-98, 100) == pytest.approx(special.logsumexp([back, anything]) - anything, rel=1e-12)

    def test_anything_else_is_no_echo(self) -> None:
        assert log_echo(100, 100) == 0.0
        assert log_echo(-300, 100) == 0.0

    def test_where_a_hand_was_suspected_it_says_less(self) -> None:
        assert 0 < log_echo(-98, 100, null=0.9) < log_echo(-98, 100, null=0.01)

    @given(st.floats(-4000, 4000), st.floats(-4000, 4000))
    def test_it_never_speaks_against_the_null(self, total: float, earlier: float) -> None:
        assert log_echo(total, earlier) >= 0


def test_every_backend_the_same() -> None:
    """Ordinary, degenerate and extreme paths and sums."""
    for seed in range(240):
        w = worlds.world(np.random.default_rng(seed))
        total, var = float(w.delta_g.sum()), float((w.sigma_g**2).sum())

        def run(w: worlds.World = w, total: float = total, var: float = var) -> tuple[object, ...]:
            log_echo = backends.kernels("association").log_echo
            echoes = [log_echo(total, var, x, var, w.null, w.settings) for x in (-total, total, 0.0)]
            return [float(e) for e in echoes], worlds.hand_log_likelihood(w)

        echoes, llr = agree(run, rtol=1e-12)
        assert min(echoes) >= 0
        assert np.isfinite(llr).all()


def test_the_uniform_density_integrates_to_one() -> None:
    """What makes the octaves from the lightest to the heaviest sum up."""
    grams = np.geomspace(S.lightest_g, S.heaviest_g, 100_001)
    density = np.exp([log_any_mass(g, S) for g in grams])
    assert np.trapezoid(density, grams) == pytest.approx(1, rel=1e-6)
