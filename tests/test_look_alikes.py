"""Things of equal weight that may have changed places: only where they were put speaks for what the posterior says."""

import pytest

from fusion import Engine
from fusion.simulation.scenarios import simulate_scenario
from test_associator import Shop

GRAMS = 300.0
"""Of soup (at home on p1) and of tuna (on p5)."""


def took_both(**options: object) -> Shop:
    shop = Shop(**options)
    shop.event({"p1": -GRAMS}, "p1", None)
    shop.event({"p5": -GRAMS}, "p5", None)
    assert shop.basket("ann") == {"soup": 1, "tuna": 1}
    return shop


@pytest.mark.parametrize("plate", ["p1", "p5"])
def test_one_of_two_alike_is_put_back(plate: str) -> None:
    shop = took_both()
    shop.event({plate: GRAMS}, plate, None)
    assert sum(shop.basket("ann").values()) == 1
    assert shop.associator.exchanged("ann") == {"soup", "tuna"}


def test_who_has_one_of_them_only_has_exchanged_nothing() -> None:
    shop = Shop()
    shop.event({"p5": -GRAMS}, "p5", None)
    shop.event({"p5": GRAMS}, "p5", None)
    assert shop.associator.exchanged("ann") == set()


def test_weights_that_differ_tell() -> None:
    shop = Shop()
    shop.event({"p0": -500.0}, "p0", None)
    shop.event({"p1": -GRAMS}, "p1", None)
    shop.event({"p1": GRAMS}, "p1", None)
    assert shop.associator.exchanged("ann") == set()


def test_units_known_by_their_own_grams_tell() -> None:
    """A heavy tin of soup comes back to its place: it is no tuna, which weighed less."""
    shop = Shop()
    shop.event({"p1": -GRAMS - 5.0}, "p1", None, sigma_g=0.3)
    shop.event({"p5": -GRAMS + 5.0}, "p5", None, sigma_g=0.3)
    shop.event({"p1": GRAMS + 5.0}, "p1", None, sigma_g=0.3)
    assert shop.basket("ann") == {"tuna": 1}
    assert shop.associator.exchanged("ann") == set()


def test_who_takes_it_next_may_have_got_the_other() -> None:
    shop = took_both()
    shop.event({"p1": GRAMS}, "p1", None)
    shop.event({"p1": -GRAMS}, None, "p1")
    assert shop.associator.exchanged("bob") == {"soup", "tuna"}
    shop.event({"p1": GRAMS}, None, "p1")
    shop.event({"p1": -GRAMS}, "p1", None)
    assert shop.associator.exchanged("nobody") == set()


def test_taking_alone_raises_no_doubt() -> None:
    assert took_both().associator.exchanged("ann") == set()


def test_what_is_learned_later_settles_it() -> None:
    """The gate reads the tag of the soup, and none of tuna."""
    shop = took_both()
    shop.event({"p1": GRAMS}, "p1", None)
    shop.associator.weigh(["ann"], lambda basket: 30.0 if basket == {"soup": 1} else 0.0)
    assert shop.basket("ann") == {"soup": 1}
    assert shop.associator.exchanged("ann") == set()


def test_who_leaves_is_forgotten() -> None:
    shop = took_both()
    shop.event({"p1": GRAMS}, "p1", None)
    shop.associator.leave("ann")
    assert shop.associator.exchanged("ann") == set()


def test_a_receipt_that_rests_on_the_place_alone_is_marked() -> None:
    simulation = simulate_scenario("equal_swap", 0)
    engine = Engine(simulation.store)
    engine.push(simulation.observations)
    told = {r.shopper: r for r in engine.finish().receipts}
    wrong = 0
    for true in simulation.truth["receipts"]:
        lines = {line.product: line for line in told[true["shopper"]].lines}
        if {p: line.quantity for p, line in lines.items()} != {x["product"]: x["quantity"] for x in true["lines"]}:
            wrong += 1
            assert told[true["shopper"]].needs_review
            extra = lines.keys() - {x["product"] for x in true["lines"]}
            assert all(lines[product].needs_review for product in extra)
    assert wrong


def test_whoever_may_have_taken_it_may_have_got_the_other() -> None:
    """Two hands were there; of neither basket it is sure what it holds."""
    shop = took_both()
    shop.event({"p1": GRAMS}, "p1", None)
    shop.event({"p1": -GRAMS}, "p1", "p1")
    assert shop.associator.exchanged("bob") == {"soup", "tuna"}
