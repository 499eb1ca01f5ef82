"""Explanations of one event: the kernel against its twins, and against numbers worked out by hand."""

from math import erf, exp, log, pi, sqrt

import numpy as np
import pytest

from crosscheck import agree
from fusion import AssociationSettings, backends
from worlds import explain, hand_log_likelihood, world

S = AssociationSettings()


@pytest.mark.parametrize("block", range(4))
def test_backends_agree_on_random_events(block: int) -> None:
    for i in range(60):
        w = world(np.random.default_rng((1, block, i)))
        agree(lambda w=w: (hand_log_likelihood(w), *explain(w)), rtol=1e-12)


def test_too_little_room_tells_how_much_is_needed() -> None:
    w = world(np.random.default_rng(8), shoppers=3, facings=2, products=12)
    llr = hand_log_likelihood(w)
    parts, score = explain(w, llr, room=1)
    again, score_again = explain(w, llr, room=len(score))
    np.testing.assert_array_equal(parts, again)
    np.testing.assert_array_equal(score, score_again)


def test_a_hand_in_the_box_all_the_time_and_one_far_away() -> None:
    hands = np.zeros((4, 2, 1, 3))
    hands[:, 1] = 50.0
    box = (np.array([0, 1], np.int32), np.zeros((1, 3)), np.eye(3)[None], np.full((1, 3), 0.1))
    near, far = backends.kernels("association").hand_log_likelihood(hands, *box, S)[:, 0]
    peak = S.bystander_m / (S.reach_sigma_m * sqrt(pi / 2))
    assert near == pytest.approx(log((1 - S.track_miss) * peak + S.track_miss), rel=1e-12)
    assert far == pytest.approx(log(S.track_miss), rel=1e-12)
    # The half-normal density of a hand at work integrates to 1 over the bystander's range.
    assert peak * S.reach_sigma_m * sqrt(pi / 2) * erf(S.bystander_m / S.reach_sigma_m / sqrt(2)) == pytest.approx(
        S.bystander_m
    )


def test_one_shopper_one_facing_one_plate() -> None:
    delta, sigma = np.array([-101.0]), np.array([2.0])
    inside = np.ones((2, 1), np.uint8)
    llr = np.array([[1.5, 1.5]])
    parts, score = np.empty((64, 2, 4), np.int32), np.empty(64)
    n = backends.kernels("association").explain(
        delta, sigma, inside, np.array([0], np.int32), llr, np.array([100.0]), np.zeros(1, np.uint8), parts, score, S
    )
    rows = {tuple(parts[i].ravel().tolist()): score[i] for i in range(n)}
    assert rows[-1, -1, 0, -1, -1, -1, 0, -1] == pytest.approx(
        log(S.null) - log(101.0 * log(S.heaviest_g / S.lightest_g)), rel=1e-12
    )
    v = 4.0 + (S.mass_spread * 100.0) ** 2
    right = exp(-0.5 / v) / sqrt(2 * pi * v)
    off = log(1.01) / log(S.wrong_factor)
    wrong = exp(-0.5 * off * off) / (101.0 * log(S.wrong_factor) * sqrt(2 * pi))
    density = (1 - S.wrong_mass) * right + S.wrong_mass * wrong
    assert rows[0, 0, -1, 1, -1, -1, 0, -1] == pytest.approx(log(density) + log(1 - S.more_units) + 1.5, rel=1e-9)


def test_nobody_near_leaves_only_the_null() -> None:
    parts, _ = explain(world(np.random.default_rng(3), shoppers=0))
    assert parts.tolist() == [[[-1, -1, 0, -1], [-1, -1, 0, -1]]]


@pytest.mark.parametrize("seed", range(20))
def test_a_nearer_hand_is_never_less_likely(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box = (np.array([0, 1], np.int32), np.zeros((1, 3)), np.eye(3)[None], np.full((1, 3), 0.1))
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    path = np.linspace(0, 3, 30)[:, None] * direction
    llr = [backends.kernels("association").hand_log_likelihood(p[None, None, None], *box, S)[0, 0] for p in path]
    assert np.all(np.diff(llr) <= 0)


def test_permuting_the_shoppers_permutes_the_explanations() -> None:
    w = world(np.random.default_rng(21), shoppers=3, facings=2, products=8)
    llr = hand_log_likelihood(w)
    parts, score = explain(w, llr)
    order = np.array([2, 0, 1])
    turned, turned_score = explain(w, llr[order])
    turned[..., 0] = np.where(turned[..., 0] >= 0, order[turned[..., 0]], -1)

    def told(parts: np.ndarray, score: np.ndarray) -> list[tuple]:
        return sorted((*sorted(map(tuple, p.tolist())), round(v, 9)) for p, v in zip(parts, score, strict=True))

    assert told(parts, score) == told(turned, turned_score)
