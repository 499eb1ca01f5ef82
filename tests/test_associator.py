"""The associator as a service uses it: who did it, what is carried, what later events mend, what is refused."""

from typing import Any

import numpy as np
import pytest

from fusion import AssociationSettings, Associator, Box, Facing, Fixture, Plate, Product, Shelf, Store, backends

MASS_G = {"cola": 350.0, "tea": 120.0, "gum": 35.0, "twin a": 500.0, "twin b": 500.0, "unknown": np.nan}
AT = {product: i for i, product in enumerate(MASS_G)}
FAR = (9.0, 9.0, 1.0)


def plate(i: int) -> Plate:
    return Plate(f"s/{i}", Box(np.array([0.5 * i, 0.0, 1.0]), np.array([0.1, 0.4, 0.2])))


def store() -> Store:
    plates = tuple(plate(i) for i in range(len(MASS_G)))
    return Store(
        (Fixture("f", (Shelf("s", plates),)),),
        tuple(Product(name, name, mass) for name, mass in MASS_G.items()),
        tuple(Facing(name, (plates[i].id,), plates[i].box) for i, name in enumerate(MASS_G)),
    )


@pytest.fixture
def associator() -> Associator:
    return Associator(store())


def hands(*places: int | tuple[float, float, float]) -> np.ndarray:
    """Both hands of each shopper over a plate, or at a point, for ten frames."""
    at = [(0.5 * p + 0.05, 0.2, 1.1) if isinstance(p, int) else p for p in places]
    return np.broadcast_to(np.array(at, dtype=float).reshape(1, len(at), 1, 3), (10, len(at), 2, 3))


def event(a: Associator, key: Any, place: int, grams: float, **who: int | tuple[float, float, float]) -> list:
    return a.associate(key, [f"s/{place}"], [grams], [1.0], list(who), hands(*who.values()))


def likely(a: Associator, shopper: str) -> dict[str, int]:
    return a.baskets(shopper)[0][0]


def test_a_take_belongs_to_the_hand_that_was_there(associator: Associator) -> None:
    best = event(associator, 1, AT["cola"], -350.0, ann=AT["cola"], bob=FAR)[0]
    assert (best.shopper, best.product, best.quantity) == ("ann", "cola", -1)
    assert best.probability > 0.95
    assert likely(associator, "ann") == {"cola": 1}
    assert likely(associator, "bob") == {}


def test_two_units_weigh_twice(associator: Associator) -> None:
    event(associator, 1, AT["tea"], -241.0, ann=AT["tea"])
    assert likely(associator, "ann") == {"tea": 2}


def test_a_return_empties_the_basket(associator: Associator) -> None:
    event(associator, 1, AT["tea"], -120.0, ann=AT["tea"])
    event(associator, 2, AT["tea"], 120.5, ann=AT["tea"])
    assert likely(associator, "ann") == {}


def test_put_back_elsewhere_and_found_by_the_next(associator: Associator) -> None:
    event(associator, 1, AT["cola"], -350.0, ann=AT["cola"])
    best = event(associator, 2, AT["gum"], 350.0, ann=AT["gum"])[0]
    assert (best.product, best.quantity) == ("cola", 1)
    associator.leave("ann")
    event(associator, 3, AT["gum"], -350.0, bob=AT["gum"])
    assert likely(associator, "bob") == {"cola": 1}


def test_two_shoppers_in_one_event(associator: Associator) -> None:
    plates = [f"s/{AT['cola']}", f"s/{AT['tea']}"]
    at = hands(AT["cola"], AT["tea"])
    associator.associate(1, plates, [-350.0, -120.0], [1.0, 1.0], ["ann", "bob"], at)
    assert likely(associator, "ann") == {"cola": 1}
    assert likely(associator, "bob") == {"tea": 1}


def test_equal_weights_are_told_apart_by_their_place(associator: Associator) -> None:
    event(associator, 1, AT["twin b"], -500.0, ann=AT["twin b"])
    assert likely(associator, "ann") == {"twin b": 1}


def test_what_rests_on_a_shelf_and_goes_changes_no_basket(associator: Associator) -> None:
    event(associator, 1, AT["cola"], 77.0, ann=AT["cola"])
    event(associator, 2, AT["cola"], -77.3, ann=AT["cola"])
    assert likely(associator, "ann") == {}
    assert associator.baskets("ann")[0][1] > 0.9


def test_unknown_and_wrong_masses_are_told_by_the_place(associator: Associator) -> None:
    event(associator, 1, AT["unknown"], -222.0, ann=AT["unknown"])
    event(associator, 2, AT["tea"], -240.0 * 1.3, ann=AT["tea"])
    assert likely(associator, "ann") == {"unknown": 1, "tea": 1}


def test_later_events_revise_earlier_ones(associator: Associator) -> None:
    between = (0.5 * AT["cola"] + 0.05, -0.10, 1.1)
    before = event(associator, 1, AT["cola"], -350.0, ann=between, bob=between)
    assert before[0].probability == pytest.approx(before[1].probability)
    event(associator, 2, AT["cola"], 350.0, bob=AT["cola"])
    after = associator.candidates(1)[0]
    assert after.shopper == "bob"
    assert after.probability > 0.9


def test_memory_settles_old_events() -> None:
    a = Associator(store(), memory=1)
    between = (0.5 * AT["cola"] + 0.05, -0.10, 1.1)
    event(a, 1, AT["cola"], -350.0, ann=between, bob=between)
    event(a, 2, AT["cola"], 350.0, bob=AT["cola"])
    assert a.candidates(1)[0].probability < 0.6


def test_who_left_is_forgotten_and_may_come_again(associator: Associator) -> None:
    event(associator, 1, AT["cola"], -350.0, ann=AT["cola"])
    associator.leave("ann")
    assert associator.baskets("ann") == [({}, pytest.approx(1.0))]
    assert associator.candidates(1)[0].shopper == "ann"
    event(associator, 2, AT["tea"], -120.0, ann=AT["tea"])
    assert likely(associator, "ann") == {"tea": 1}


def test_nobody_near_leaves_everything_open(associator: Associator) -> None:
    assert associator.associate(1, ["s/0"], [-350.0], [1.0], [], np.zeros((0, 0, 2, 3))) == []


def test_backends_give_the_same_candidates() -> None:
    told = []
    for name in backends.BACKENDS:
        with backends.use_backend(name):
            a = Associator(store())
            event(a, 1, AT["cola"], -350.0, ann=AT["cola"], bob=AT["tea"])
            event(a, 2, AT["tea"], -119.0, ann=AT["cola"], bob=AT["tea"])
            event(a, 3, AT["gum"], 120.0, bob=AT["gum"])
            told.append([(c.shopper, c.product, c.quantity) for k in (1, 2, 3) for c in a.candidates(k)[:3]])
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"plates": ["nowhere"]}, "unknown plate 'nowhere'"),
        ({"plates": ["s/0", "s/0"], "delta_g": [1, 1], "sigma_g": [1, 1]}, "unique"),
        ({"plates": [], "delta_g": [], "sigma_g": []}, "plates"),
        ({"delta_g": [np.nan]}, "delta_g must be finite"),
        ({"delta_g": [np.inf]}, "delta_g must be finite"),
        ({"delta_g": [1.0, 2.0]}, "delta_g must have shape"),
        ({"sigma_g": [0.0]}, "sigma_g"),
        ({"sigma_g": [-1.0]}, "sigma_g"),
        ({"hands_m": np.zeros((3, 2, 2, 3))}, "hands_m must have shape"),
        ({"shoppers": ["ann", "ann"], "hands_m": np.zeros((3, 2, 2, 3))}, "unique"),
        ({"shoppers": [7]}, "must be a string"),
    ],
)
def test_bad_events_are_refused_by_name(associator: Associator, wrong: dict[str, Any], message: str) -> None:
    good = {"plates": ["s/0"], "delta_g": [-350.0], "sigma_g": [1.0], "shoppers": ["ann"], "hands_m": hands(0)}
    with pytest.raises((ValueError, TypeError), match=message):
        associator.associate(1, **(good | wrong))
    assert associator.associate(1, **good)
    with pytest.raises(ValueError, match="before"):
        associator.associate(1, **good)


@pytest.mark.parametrize("wrong", [{"null": 0.0}, {"returning": 1.5}, {"reach_sigma_m": -1.0}, {"wrong_factor": 1.0}])
def test_bad_settings_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Associator(store(), settings=AssociationSettings(**wrong))
    with pytest.raises(ValueError, match="hypotheses"):
        Associator(store(), hypotheses=0)


@pytest.mark.parametrize("grams", [1e-6, 1e9, -1e30])
def test_absurd_grams_and_hands_do_no_harm(associator: Associator, grams: float) -> None:
    at = np.full((2, 1, 2, 3), 1e300)
    total = sum(c.probability for c in associator.associate(1, ["s/0"], [grams], [1.0], ["ann"], at))
    assert 0.0 <= total <= 2.0
