"""A seeded store with faults and ground truth: shoppers walk, reach, take, return and touch; sensors report it.

Loads, vibration, walking and latency are modelled, sampled by imperfect sensors and delivered by an imperfect network::

    store -> shelf -> scripts --+-> scales ---> converters -> delivery -> observations
                                +-> body ---> targets --------^
                                +-> truth

Keypoints are what a `detector` makes of that which `cameras` see past bodies and fixtures (`occlusion`). `vision`
names what is in a hand, and `tags` are read at the gate. A `crowd` is what the engine is judged by as a whole; a
`scenes.Scene` directs some of the shoppers, so that the `scenarios` each show one thing that shoppers do.

A fixture alone, without bodies, comes with the truth of every load and every disturbance, to judge segmentation::

    plate_script -> plates ---> converters -> readings

Both feel the same `forces` and `vibration`, and err by the same `converters` and `scale_settings`.
"""

from fusion.simulation.crowd import crowd
from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.plate_truth import Change, Nuisance, PlateSimulation
from fusion.simulation.plates import simulate_plates
from fusion.simulation.scenarios import SCENARIOS, simulate_scenario
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.simulation import Simulation, simulate

__all__ = [
    "SCENARIOS",
    "Change",
    "Nuisance",
    "PlateSettings",
    "PlateSimulation",
    "Simulation",
    "SimulationSettings",
    "crowd",
    "simulate",
    "simulate_plates",
    "simulate_scenario",
]
