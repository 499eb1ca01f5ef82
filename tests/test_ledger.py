"""The same unit weighs the same: what the ledger knows of lots, and what that is worth."""

from math import log
from typing import Any

import numpy as np
import pytest
from scipy import stats

from crosscheck import agree
from fusion import backends
from fusion.association_settings import AssociationSettings
from fusion.ledger import SAME, Ledger
from fusion.readings import Reading
from fusion.reference.association import log_mass
from fusion.reference.hypotheses import STAFF

S = AssociationSettings()
MASS = np.array([500.0, 500.0, np.nan])
ANN, BOB = 0, 1
ABSENT = (-1, -1, 0, -1)


def reading(grams: float, plate: int = 3) -> Reading:
    """One event on one plate, which is the own place and the only touched facing."""
    inside, facing, hands = np.ones((2, 1), np.uint8), np.zeros(1, np.int32), np.zeros((0, 2))
    return Reading(np.array([plate], np.int32), np.array([grams]), np.ones(1), inside, facing, hands)


def gain(ledger: Ledger, part: tuple[int, int, int, int], grams: float, plate: int = 3) -> float:
    parts = np.array([[ABSENT] * 3, [part, ABSENT, ABSENT], [part, part, ABSENT]], np.int32)
    rows, found = ledger.gains(parts, reading(grams, plate))
    assert rows in ([], [1])
    return float(found.sum())


def expected(now: float, *lots: float, units: int = 1) -> float:
    """Of one of these lots, each known to a gram, or of another unit; against the catalogue."""
    catalogue = log_mass(now, 1.0, 500.0, units, S)
    same = np.mean([stats.norm.pdf(now, lot, np.sqrt(2)) for lot in lots])
    return log(SAME * same + (1 - SAME) * np.exp(catalogue)) - catalogue


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(backends.kernels("association"), MASS, S)


def test_the_same_grams_come_back(ledger: Ledger) -> None:
    ledger.note((ANN, 0, -1, 1), reading(-508))
    assert gain(ledger, (ANN, 0, 1, 1), 508.5) == pytest.approx(expected(508.5, 508), rel=1e-9)
    assert gain(ledger, (ANN, 0, 1, 1), 508.5) > 1
    assert gain(ledger, (ANN, 0, 1, 0), 492) == pytest.approx(expected(492, 508), rel=1e-9)
    assert gain(ledger, (ANN, 0, 1, 1), 492) < -1


@pytest.mark.parametrize("part", [(BOB, 0, 1, 1), (ANN, 1, 1, 1), (ANN, 0, 2, 1), (ANN, 0, -1, 1), (ANN, 0, -1, 0)])
def test_who_has_no_such_lot_gains_nothing(ledger: Ledger, part: tuple[int, int, int, int]) -> None:
    """Another shopper, another product, two units; a take from the shelf."""
    ledger.note((ANN, 0, -1, 1), reading(-508))
    assert gain(ledger, part, 508.0 if part[2] > 0 else -508.0) == 0


def test_one_of_several_or_all_of_them(ledger: Ledger) -> None:
    for grams in (508, 495):
        ledger.note((ANN, 0, -1, 1), reading(-grams))
    assert gain(ledger, (ANN, 0, 1, 1), 495) == pytest.approx(expected(495, 508, 495), rel=1e-9)
    catalogue = log_mass(1003.0, 1.0, 500.0, 2, S)
    same = stats.norm.pdf(1003, 1003, np.sqrt(3))
    both = log(SAME * same + (1 - SAME) * np.exp(catalogue)) - catalogue
    assert gain(ledger, (ANN, 0, 2, 1), 1003) == pytest.approx(both, rel=1e-9)


def test_what_went_back_is_gone(ledger: Ledger) -> None:
    """The lot that fits best."""
    for grams in (508, 495):
        ledger.note((ANN, 0, -1, 1), reading(-grams))
    ledger.note((ANN, 0, 1, 1), reading(496))
    assert gain(ledger, (ANN, 0, 1, 1), 495) == pytest.approx(expected(495, 508), rel=1e-9)
    ledger.note((ANN, 0, 1, 1), reading(507))
    assert gain(ledger, (ANN, 0, 1, 1), 508) == 0


def test_what_is_handed_on_goes_along(ledger: Ledger) -> None:
    """The last unit that moved alone; staff keep no lots."""
    for grams in (508, 495):
        ledger.note((ANN, 0, -1, 1), reading(-grams))
    ledger.hand_on(ANN, BOB, 0)
    assert gain(ledger, (ANN, 0, 1, 1), 508) == pytest.approx(expected(508, 508), rel=1e-9)
    assert gain(ledger, (BOB, 0, 1, 1), 495) == pytest.approx(expected(495, 495), rel=1e-9)
    ledger.hand_on(ANN, STAFF, 0)
    assert gain(ledger, (ANN, 0, 1, 1), 508) == gain(ledger, (STAFF, 0, 1, 1), 508) == 0
    ledger.hand_on(ANN, BOB, 1)


def test_one_of_a_lot_of_several_is_not_known(ledger: Ledger) -> None:
    ledger.note((ANN, 0, -2, 1), reading(-1003))
    ledger.hand_on(ANN, BOB, 0)
    assert gain(ledger, (ANN, 0, 1, 1), 500) == gain(ledger, (BOB, 0, 1, 1), 500) == 0


def test_misplaced_and_found_by_another(ledger: Ledger) -> None:
    """The lot moves from ann to plate 3, and from there to bob."""
    ledger.note((ANN, 0, -1, 1), reading(-508))
    ledger.note((ANN, 0, 1, 0), reading(508))
    assert gain(ledger, (ANN, 0, 1, 1), 508) == 0
    assert gain(ledger, (BOB, 0, -1, 0), -508) == pytest.approx(expected(508, 508), rel=1e-9)
    assert gain(ledger, (BOB, 0, -1, 0), -508, plate=4) == 0
    ledger.note((BOB, 0, -1, 0), reading(-508))
    assert gain(ledger, (ANN, 0, -1, 0), -508) == 0
    assert gain(ledger, (BOB, 0, 1, 1), 508) > 1


def test_one_of_a_lot_of_two_leaves_nothing_known(ledger: Ledger) -> None:
    ledger.note((ANN, 0, -2, 1), reading(-1010))
    ledger.note((ANN, 0, 1, 1), reading(505))
    assert gain(ledger, (ANN, 0, 1, 1), 505) == 0


def test_goods_sold_by_weight_gain_nothing(ledger: Ledger) -> None:
    ledger.note((ANN, 2, -1, 1), reading(-321))
    assert gain(ledger, (ANN, 2, 1, 1), 321) == 0


def test_who_left_is_forgotten(ledger: Ledger) -> None:
    ledger.note((ANN, 0, -1, 1), reading(-508))
    ledger.forget(ANN)
    ledger.forget(BOB)
    assert gain(ledger, (ANN, 0, 1, 1), 508) == 0


def test_every_backend_the_same() -> None:
    """Few and many lots, either way, of products with a mass and without."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 8))
        end = np.cumsum(rng.integers(1, 4, n))
        columns = rng.integers(0, len(MASS), n), rng.choice([-2, -1, 1, 2], n), rng.integers(0, 2, n), end
        moved = np.stack(columns, axis=1).astype(np.int32)
        sums = np.stack([rng.normal(0, 600, 2), rng.uniform(0.1, 9, 2)], axis=1)
        lots = np.stack([rng.uniform(480, 1020, end[-1]), rng.uniform(0.1, 9, end[-1])], axis=1)

        def run(moved: Any = moved, sums: Any = sums, lots: Any = lots, n: int = n) -> Any:
            gains = np.full(n, -9.0)
            backends.kernels("association").lot_gains(moved, sums, lots, MASS, SAME, gains, S)
            return gains

        gains = agree(run, rtol=1e-12)
        assert np.isfinite(gains).all()
        assert (gains[np.isnan(MASS[moved[:, 0]]) | (sums[moved[:, 2], 0] * moved[:, 1] <= 0)] == 0).all()
