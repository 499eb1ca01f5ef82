"""Tags on all units, and an antenna at the gate that reads most of what is carried out."""

from dataclasses import replace

import numpy as np

from fusion.observations import TagReads
from fusion.simulation.actions import Visit
from fusion.simulation.clock import epoch_ns
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.shelf import Stock
from fusion.store import Store

ANTENNA = "gate"
BEFORE_EXIT_S = 0.3


def tag_units(store: Store, stock: Stock) -> Store:
    """Give every unit a tag of its own, and return the store that knows whose it is."""
    tags: dict[str, list[str]] = {product.id: [] for product in store.products}
    for unit in stock.units:
        unit.tag = f"{unit.product}-{len(tags[unit.product]) + 1}"
        tags[unit.product].append(unit.tag)
    return replace(store, products=tuple(replace(p, tags=tuple(tags[p.id])) for p in store.products))


def tag_reads(
    settings: SimulationSettings, stock: Stock, visits: list[Visit], rng: np.random.Generator
) -> list[TagReads]:
    """Read the tags of who leaves, each with the probability asked for; some reads are of what lies on a shelf."""
    shelved = [unit.tag for unit in stock.units if unit.available_s < np.inf and unit.tag]
    reads = []
    for visit in sorted(visits, key=lambda v: v.path.exit_s):
        tags = [u.tag for u in visit.carried if u.tag and rng.random() < settings.tag_detection]
        if shelved and rng.random() < settings.false_tag_probability:
            tags.append(shelved[int(rng.integers(len(shelved)))])
        reads.append(TagReads(epoch_ns(visit.path.exit_s - BEFORE_EXIT_S), ANTENNA, tuple(sorted(tags))))
    return reads
