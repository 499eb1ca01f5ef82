"""What the association believes before it sees an event."""

from typing import NamedTuple

import numpy as np

from fusion import validation


class AssociationSettings(NamedTuple):
    """What the association believes before it sees an event; probabilities unless a unit says otherwise."""

    reach_sigma_m: float = 0.10
    """Distance between a tracked hand and the goods it grasps: 5 cm of tracking noise, 8 cm from palm to item."""
    bystander_m: float = 2.0
    """A hand that has nothing to do with an event is anywhere within this distance."""
    miss_sigma_m: float = 0.5
    """How far off a track is that lost the hand: an arm's length."""
    track_miss: float = 0.02
    """The track of the hand that did it was off then, or nothing was seen of it."""
    track_swap: float = 1e-4
    """The hand that did it was taken for another's."""
    mass_spread: float = 0.015
    """Standard deviation of one unit's mass over its catalogue mass (packaged goods: 1-2 %)."""
    wrong_mass: float = 0.05
    """The catalogue's mass is wrong, or something else weighs in: a hand that rests, a thing over the edge."""
    wrong_factor: float = 2.7
    """A wrong mass is off by this factor: one standard deviation of its logarithm. Both are measured in simulated
    stores (seeds 0 to 149 of the standard crowd), and so is `null`."""
    lightest_g: float = 5.0
    """Lightest thing sold."""
    heaviest_g: float = 5000.0
    """Heaviest thing sold."""
    cross_talk: float = 0.02
    """Share of a change that shows on a neighbouring plate (the public recording shows 1-2 %)."""
    overhang: float = 0.05
    """An item overlaps a plate beside its facing."""
    null: float = 0.03
    """A lasting change has nothing to do with the store's products (a bag put down, a foreign item)."""
    doubted: float = 0.9
    """What the segmentation took for a hand has nothing to do with the store's products."""
    echo: float = 0.5
    """The next change of plates on which something foreign rests is that it goes away."""
    echo_sigma_g: float = 3.0
    """What goes away differs from what came by this: hands move while their weight is taken."""
    more_units: float = 0.1
    """One more unit of the same product moves along."""
    more_restocked: float = 0.8
    """The same for staff."""
    coincidence: float = 0.02
    """One more, different thing moves within one event."""
    exchanging: float = 0.3
    """Of two things that move within one event, one comes and the other goes."""
    returning: float = 0.3
    """An event is a return; for staff, a take."""
    misplacing: float = 0.15
    """A return goes anywhere but home."""
    stray: float = 0.02
    """A taken item had been misplaced before anybody watched."""
    foreign: float = 0.02
    """A shopper puts down what nobody was known to carry."""
    handing_over: float = 0.01
    """A shopper puts down what another carried: rare, and whoever presses on a shelf by that weight seems to."""
    negligible: float = 1e-5
    """Explanations and hypotheses less probable than this, relative to the best, are dropped."""
    max_units: int = 4
    """Most units of one product in one event."""
    max_restocked: int = 24
    """The same for staff: a case."""


LENGTHS = ("reach_sigma_m", "bystander_m", "miss_sigma_m", "lightest_g", "heaviest_g", "echo_sigma_g")
COUNTS = ("max_units", "max_restocked")


def validated(settings: AssociationSettings) -> AssociationSettings:
    """Check the settings' types and ranges."""
    if not isinstance(settings, AssociationSettings):
        raise TypeError(f"settings must be AssociationSettings; got {type(settings).__name__}")
    for name, value in settings._asdict().items():
        if name in COUNTS:
            integer(name, value, at_most=100)
        elif name == "wrong_factor":
            validation.number(name, value, above=1.0)
        elif name in LENGTHS:
            validation.number(name, value, at_least=1e-6, at_most=1e6)
        elif not 1e-100 <= validation.number(name, value) < 1.0:
            raise ValueError(f"{name} must be a probability in (0, 1), at least 1e-100; got {value}")
    if settings.heaviest_g <= settings.lightest_g:
        raise ValueError(f"heaviest_g must be above lightest_g; got {settings.heaviest_g} and {settings.lightest_g}")
    return settings


def integer(name: str, value: int, at_most: int = 2**31 - 1) -> int:
    """Check an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
    return int(validation.number(name, int(value), at_least=1, at_most=at_most))
