"""Unit masses from events: wrong catalogues are caught, right ones are not, and what others put down is no unit."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import (
    Box,
    Candidate,
    Engine,
    Facing,
    Fixture,
    Interaction,
    LearnedMass,
    Plate,
    Product,
    RecordingError,
    Shelf,
    Store,
    learn_masses,
)
from fusion.masses import read_masses, with_learned, write_masses
from fusion.recordings import open_recording
from fusion.simulation import SimulationSettings, simulate

BOX = Box(np.zeros(3), np.full(3, 0.1))


def store(mass_g: float = 500.0, **fields: Any) -> Store:
    plates = tuple(Plate(str(i), BOX) for i in range(4))
    products = (Product("cola", "", mass_g, **fields), Product("soap", "", 120.0))
    planogram = (Facing("cola", ("0", "1"), BOX), Facing("soap", ("2",), BOX))
    return Store((Fixture("f", (Shelf("s", plates),)),), products, planogram)


def events(*deltas_g: float, own: float = 0.99, plates: tuple[str, ...] = ("0",)) -> list[Interaction]:
    return [
        Interaction(
            f"f:{i}",
            "take" if d < 0 else "return",
            i,
            i + 1,
            plates,
            d,
            1.0,
            (Candidate("a", "cola", -1 if d < 0 else 1, own),),
        )
        for i, d in enumerate(deltas_g)
    ]


def learned(interactions: list[Interaction], mass_g: float = 500.0) -> LearnedMass:
    (only,) = learn_masses([(store(mass_g), interactions)])
    return only


def test_a_wrong_mass_is_caught() -> None:
    told = learned(events(-812.0, -806.0, 809.0))
    assert told.wrong > 0.99
    assert told.mass_g == pytest.approx(809.0, abs=2.0)
    assert 1.0 < told.sigma_g < 12.0
    assert told.units == pytest.approx(3.0, abs=0.01)
    assert (told.product, told.catalogue_g) == ("cola", 500.0)


def test_a_right_mass_is_refined() -> None:
    rng = np.random.default_rng(0)
    told = learned(events(*(-505.0 + 7.5 * rng.standard_normal(30))))
    assert told.wrong < 0.01
    assert told.mass_g == pytest.approx(505.0, abs=4.0)
    assert told.sigma_g == pytest.approx(7.5 / math.sqrt(30), rel=0.1)


def test_several_units_are_no_other_mass() -> None:
    told = learned(events(-500.0, -1001.0, -1498.0, 499.0))
    assert told.wrong < 0.01
    assert told.units == pytest.approx(7.0, abs=0.05)


def test_what_moves_by_twos_as_a_rule_is_no_other_mass() -> None:
    told = learned(events(*[-1000.0, -1004.0, -996.0] * 3))
    assert told.wrong < 0.1
    assert told.mass_g == pytest.approx(500.0, abs=2.0)
    assert told.units == pytest.approx(18.0, abs=0.1)


def test_half_the_mass_is_another_mass() -> None:
    assert learned(events(-250.0, -251.0, 249.0)).wrong > 0.99


def test_what_somebody_else_put_down_is_no_unit() -> None:
    told = learned(events(120.0, -120.0, 120.5, -119.0, own=1e-4))
    assert told.wrong < 0.1
    assert told.units < 0.1


def test_outliers_do_not_move_the_mass() -> None:
    told = learned(events(-500.0, -502.0, -498.0, -500.0, -733.0, 61.0))
    assert told.wrong < 0.01
    assert told.mass_g == pytest.approx(500.0, abs=2.0)


def test_a_catalogue_without_a_mass() -> None:
    told = learned(events(-300.0, -303.0, 301.0), mass_g=math.nan)
    assert told.wrong == 1.0
    assert told.mass_g == pytest.approx(301.3, abs=1.5)


def test_only_what_happens_within_a_place_counts() -> None:
    assert learn_masses([(store(), events(-500.0, plates=("0", "2")))]) == []
    assert learn_masses([(store(), events(-500.0, plates=("3",)))]) == []
    assert [m.product for m in learn_masses([(store(), events(-500.0, plates=("0", "1")))])] == ["cola"]
    assert learn_masses([(store(), events(-1.0))]) == []
    assert learn_masses([(store(by_weight=True), events(-500.0))]) == []
    assert learn_masses([]) == []


def test_sessions_with_other_planograms() -> None:
    moved = Store(store().fixtures, store().products, (Facing("cola", ("3",), BOX),))
    there = events(-800.0, -801.0, plates=("3",))
    (told,) = learn_masses([(store(), events(-799.0)), (moved, there)])
    assert told.units == pytest.approx(3.0, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5000, 5000), st.floats(0.0, 1.0)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_finite_and_whatever_the_order(changes: list[tuple[float, float]], random: Any) -> None:
    some = [i for d, own in changes for i in events(d, own=own)]
    shuffled = random.sample(some, len(some))
    for a, b in zip(learn_masses([(store(), some)]), learn_masses([(store(), shuffled)]), strict=True):
        values = (a.mass_g, a.sigma_g, a.units, a.wrong)
        assert np.isfinite(values).all()
        assert a.mass_g > 0.0
        assert 0.0 <= a.wrong <= 1.0
        assert values == pytest.approx((b.mass_g, b.sigma_g, b.units, b.wrong), rel=1e-6, abs=1e-9)


def test_a_store_with_what_was_learned() -> None:
    masses = learn_masses([(store(), events(-812.0, -806.0, 809.0))])
    better = with_learned(store(), [*masses, LearnedMass("tea", 5.0, 6.0, 0.1, 99.0, 1.0)])
    assert better.product_by_id["cola"].mass_g == masses[0].mass_g
    assert better.product_by_id["soap"].mass_g == 120.0
    assert masses[0].clear
    few, unclear = learned(events(-812.0, -806.0)), LearnedMass("cola", 500.0, 800.0, 5.0, 9.0, 0.8)
    for told in (few, unclear):
        assert not told.clear
        assert with_learned(store(), [told]).product_by_id["cola"].mass_g == 500.0


def test_a_simulated_store_with_two_wrong_masses() -> None:
    """Two products of a store that are off by 1.6 and 0.625 are found over sessions, and no other is blamed."""
    sessions, wrong = [], {}
    for handled in range(9, 13):  # another script in the same store
        simulation = simulate(SimulationSettings(seed=40, duration_s=90.0, events_per_shopper=handled))
        if not wrong:
            moved = Counter(event["product"] for event in simulation.truth["events"] if event["product"])
            (one, _), (other, _) = moved.most_common(2)
            mass_g = {product: simulation.store.product_by_id[product].mass_g for product in (one, other)}
            wrong = {one: 1.6 * mass_g[one], other: 0.625 * mass_g[other]}
        catalogue = simulation.store.with_masses(wrong)
        engine = Engine(catalogue)
        engine.push(simulation.observations)
        sessions.append((catalogue, engine.finish().interactions))
    masses = {m.product: m for m in learn_masses(sessions)}
    for product in wrong:
        true_g = simulation.store.product_by_id[product].mass_g
        assert masses[product].wrong > 0.9, masses[product]
        assert masses[product].mass_g == pytest.approx(true_g, rel=0.02)
    assert [m for m in masses.values() if m.wrong > 0.5 and m.product not in wrong] == []


def test_no_mass_of_nanostore_is_blamed_for_what_was_misplaced(data: Path) -> None:
    """Goods lie on others' plates there, and nobody moves the two products whose catalogue is known to be wrong."""
    sessions = []
    for case in ("TEAM-8-1", "cps-test-11", "cps-test-24", "crowd-5-01"):
        recording = open_recording(data / "nanostore" / "practice" / case)
        engine = Engine(recording.store)
        engine.push(recording)
        sessions.append((recording.store, engine.finish().interactions))
    masses = learn_masses(sessions)
    assert len(masses) > 10
    assert [m for m in masses if m.clear and m.wrong > 0.5] == []


class TestFile:
    MASSES = (LearnedMass("a", 500.0, 810.0, 3.5, 7.0, 0.99), LearnedMass("b", math.nan, 20.0, 1.0, 2.5, 1.0))

    def test_round_trip(self, tmp_path: Path) -> None:
        write_masses(tmp_path / "m.json", self.MASSES)
        a, b = read_masses(tmp_path / "m.json")
        assert a == self.MASSES[0]
        assert math.isnan(b.catalogue_g)
        assert (b.product, b.mass_g, b.wrong) == ("b", 20.0, 1.0)

    @pytest.mark.parametrize(
        "change",
        [{"mass_g": m} for m in (0.0, -1.0, math.nan, math.inf, None, "1")]
        + [{"wrong": 1.5}, {"wrong": None}, {"sigma_g": -1.0}, {"units": "3"}, {"product": ""}, {"product": 3}]
        + [{"catalogue_g": 0.0}, {"catalogue_g": True}],
    )
    def test_damaged(self, change: dict[str, Any], tmp_path: Path) -> None:
        path = tmp_path / "m.json"
        row = {"product": "a", "catalogue_g": 5.0, "mass_g": 5.0, "sigma_g": 1.0, "units": 3.0, "wrong": 0.5}
        path.write_text(json.dumps({"format": "fusion.masses/1", "masses": [row | change]}))
        with pytest.raises(RecordingError, match=r"m\.json"):
            read_masses(path)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "fusion.masses/1"}', "[" * 99_999])
    def test_no_document(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(RecordingError):
            read_masses(tmp_path / "m.json")

    def test_twice_the_same_product(self, tmp_path: Path) -> None:
        write_masses(tmp_path / "m.json", [self.MASSES[0]] * 2)
        with pytest.raises(RecordingError, match="comes twice"):
            read_masses(tmp_path / "m.json")

    def test_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="cannot be written"):
            write_masses(tmp_path, self.MASSES)
