"""What really happened, as a JSON-ready document."""

from collections import Counter
from typing import Any

from fusion.simulation.clock import epoch_ns
from fusion.simulation.keypoints import Footage
from fusion.simulation.scripts import Visit
from fusion.simulation.shelf import Stock


def truth_document(visits: list[Visit], opening: Counter[str], stock: Stock, footage: list[Footage]) -> dict[str, Any]:
    """Write down receipts, events, stock, and whom cameras saw.

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
        before and after; ``cameras`` only if there are any.
    """
    events = [
        {
            "time_ns": epoch_ns(action.time_s),
            "shopper": visit.shopper,
            "kind": action.kind,
            "plates": list(action.loads_g),
            "product": action.product,
            "quantity": action.quantity,
            "misplaced": action.misplaced,
        }
        for visit in visits
        for action in visit.actions
    ]
    closing = on_shelves(stock)
    return {
        "format": "fusion.truth/1",
        "receipts": [
            {
                "shopper": visit.shopper,
                "lines": [
                    {"product": product, "quantity": quantity}
                    for product, quantity in sorted(Counter(unit.product for unit in visit.carried).items())
                ],
            }
            for visit in visits
        ],
        "events": sorted(events, key=lambda event: event["time_ns"]),
        "stock": [
            {"product": product, "opening": opening[product], "closing": closing[product]} for product in opening
        ],
        **({"cameras": [_camera(f) for f in footage]} if footage else {}),
    }


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
