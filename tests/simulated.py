"""All that a simulation tells, as bytes, to compare simulations with."""

import json

from fusion.observations import GateEvent, ScalePacket, Targets
from fusion.simulation import Simulation


def everything(simulation: Simulation) -> bytes:
    """All that a simulation tells, as bytes."""
    parts = [json.dumps([simulation.store.to_dict(), simulation.truth]).encode(), simulation.arrivals_ns.tobytes()]
    for o in simulation.observations:
        match o:
            case ScalePacket():
                parts += [o.fixture.encode(), o.sample_ns.tobytes(), o.grams.tobytes()]
            case Targets():
                parts += [repr((o.time_ns, o.shoppers)).encode(), o.joints_m.tobytes(), o.scores.tobytes()]
            case GateEvent():
                parts.append(repr(o).encode())
    return b"".join(parts)
