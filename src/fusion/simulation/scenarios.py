"""What shoppers really do, one thing a scenario: seeded sessions with truth.

Three people or so are in a store of two fixtures. Some of them play what the scenario is about, three times as a rule;
the others shop as the simulator's shoppers do. Products, places, masses and times are drawn by the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fusion.simulation import plays_goods, plays_hands
from fusion.simulation.scenes import Edit, Scene
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.simulation import Simulation

STORE = SimulationSettings(duration_s=20.0, fixtures=2, shelves=3, plates=12)


@dataclass(frozen=True, slots=True)
class _Scenario:
    play: Callable[[Scene], None]
    settings: dict[str, Any] = field(default_factory=dict)
    edit: Edit | None = None


_SCENARIOS = (
    _Scenario(plays_hands.several_at_once),
    _Scenario(plays_hands.same_product_twice),
    _Scenario(plays_hands.quick_series),
    _Scenario(plays_hands.both_hands),
    _Scenario(plays_hands.same_shelf_same_second),
    _Scenario(plays_hands.crossing_arms),
    _Scenario(plays_hands.child),
    _Scenario(plays_goods.hand_over),
    _Scenario(plays_goods.group_account),
    _Scenario(plays_goods.put_back_elsewhere),
    _Scenario(plays_goods.put_back_by_another),
    _Scenario(plays_goods.left_and_found),
    _Scenario(plays_goods.equal_swap, edit=plays_goods.equal_masses),
    _Scenario(plays_goods.by_weight, {"by_weight_share": 0.3}),
    _Scenario(plays_goods.foreign_item),
    _Scenario(plays_goods.restocking),
    _Scenario(plays_goods.unseen_exit),
)
SCENARIOS = {scenario.play.__name__: scenario.play.__doc__ or "" for scenario in _SCENARIOS}
"""Names, and what happens in each."""
_BY_NAME = {scenario.play.__name__: scenario for scenario in _SCENARIOS}


def simulate_scenario(name: str, seed: int, **changes: Any) -> Simulation:
    """Simulate one session of a scenario.

    Parameters
    ----------
    name : str
        One of `SCENARIOS`.
    seed : int
        The same seed gives the same observations.
    **changes
        Settings of the sensors, such as `vision_accuracy` or `noise_g`.

    Raises
    ------
    ValueError
        If there is no such scenario, or a setting is out of range.
    TypeError
        If a setting is unknown, or of the wrong kind.
    """
    if name not in _BY_NAME:
        raise ValueError(f"name must be one of {', '.join(SCENARIOS)}; got {name!r}")
    scenario = _BY_NAME[name]
    settings = replace(STORE, seed=seed, **{**scenario.settings, **changes})
    scene = Scene(settings, scenario.edit)
    scenario.play(scene)
    return scene.record()
