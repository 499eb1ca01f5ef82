"""A seeded store with faults and ground truth: shoppers walk, reach, take, return and touch; sensors report it.

Loads, vibration, walking and latency are modelled, sampled by imperfect sensors and delivered by an imperfect network::

    store -> shelf -> scripts --+-> scales ---> converters -> delivery -> observations
                                +-> body ---> targets --------^
                                +-> truth

Keypoints are what a `detector` makes of that which `cameras` see past bodies and fixtures (`occlusion`).

A fixture alone, without bodies, comes with the truth of every load and every disturbance, to judge segmentation::

    plate_script -> plates ---> converters -> readings

Both feel the same `forces` and `vibration`, and err by the same `converters` and `scale_settings`.
"""

from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.plate_truth import Change, Nuisance, PlateSimulation
from fusion.simulation.plates import simulate_plates
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.simulation import Simulation, simulate

__all__ = [
    "Change",
    "Nuisance",
    "PlateSettings",
    "PlateSimulation",
    "Simulation",
    "SimulationSettings",
    "simulate",
    "simulate_plates",
]
