"""What really happened, as a JSON-ready document."""

from collections import Counter
from typing import Any

from fusion.simulation.actions import Action, Visit
from fusion.simulation.clock import epoch_ns
from fusion.simulation.keypoints import Footage
from fusion.simulation.shelf import Move, Stock, Unit


def truth_document(visits: list[Visit], opening: Counter[str], stock: Stock, footage: list[Footage]) -> dict[str, Any]:
    """Write down receipts, events, stock, and whom cameras saw.

    Who carries something out pays for it, or the account that he belongs to; staff pay for nothing.

    Parameters
    ----------
    visits : list of Visit
        Complete.
    opening : Counter
        Units of each product on the shelves before.
    stock : Stock
        After the last visit.
    footage : list of Footage
        Of each camera.

    Returns
    -------
    dict
        Of format ``fusion.truth/1``: receipts, events in order of time, and the units of each product on the shelves
        before and after; ``receipts_by_taker`` only if somebody carries out what another took, ``cameras`` only if
        there are any.
    """
    events = [event for visit in visits for action in visit.actions for event in _events(visit, action)]
    closing = on_shelves(stock)
    payers = {v.shopper: v.account or v.shopper for v in visits if v.role == "shopper"}
    carried = [(v.shopper, unit) for v in visits for unit in v.carried if v.role == "shopper"]
    taken = [(unit.taker, unit) for _, unit in carried if unit.taker in payers]
    handed_on = any(payers[shopper] != payers.get(unit.taker) for shopper, unit in carried)
    return {
        "format": "fusion.truth/1",
        "receipts": _receipts(payers, carried, stock),
        **({"receipts_by_taker": _receipts(payers, taken, stock)} if handed_on else {}),
        "events": sorted(events, key=lambda event: event["time_ns"]),
        "stock": [
            {"product": product, "opening": opening[product], "closing": closing[product]} for product in opening
        ],
        **({"cameras": [_camera(f) for f in footage]} if footage else {}),
    }


def _events(visit: Visit, action: Action) -> list[dict[str, Any]]:
    """Tell an action: an event for each product that it moves."""
    moves: tuple[Move | None, ...] = action.moves or ((None,) if action.kind == "touch" else ())
    return [
        {
            "time_ns": epoch_ns(action.time_s),
            "shopper": visit.shopper,
            "kind": action.kind,
            "plates": list(move.plates if move and move.plates else action.loads_g),
            "product": move.product if move else None,
            "quantity": move.quantity if move else 0,
            "misplaced": bool(move and move.misplaced),
            **({"grams": move.grams} if move and move.grams is not None else {}),
            **({"receiver": action.receiver} if action.receiver else {}),
        }
        for move in moves
    ]


def _receipts(payers: dict[str, str], paid: list[tuple[str, Unit]], stock: Stock) -> list[dict[str, Any]]:
    """Write a receipt for everybody who pays, in order of coming."""
    baskets: dict[str, list[Unit]] = {payer: [] for payer in payers.values()}
    for shopper, unit in paid:
        baskets[payers[shopper]].append(unit)
    members = {payer: [s for s, p in payers.items() if p == payer] for payer in baskets}
    return [
        {
            "shopper": payer,
            **({"members": members[payer]} if members[payer] != [payer] else {}),
            "lines": [_line(product, [u for u in units if u.product == product], stock) for product in products],
        }
        for payer, units in baskets.items()
        for products in [sorted({unit.product for unit in units})]
    ]


def _line(product: str, units: list[Unit], stock: Stock) -> dict[str, Any]:
    """Write one product; goods sold by weight are a line of quantity 1 and some grams."""
    if stock.by_weight(product):
        return {"product": product, "quantity": 1, "grams": sum(unit.mass_g for unit in units)}
    return {"product": product, "quantity": len(units)}


def _camera(footage: Footage) -> dict[str, Any]:
    return {
        "camera": footage.camera,
        "clock_offset_s": footage.clock_offset_s,
        "time_ns": [frame.time_ns for frame in footage.frames],
        "exposed_ns": footage.exposed_ns.tolist(),
        "shoppers": footage.shoppers,
    }


def on_shelves(stock: Stock) -> Counter[str]:
    """Count the units of each product that nobody carries."""
    return Counter(unit.product for unit in stock.units if unit.available_s < float("inf"))
