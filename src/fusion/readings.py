"""Readings: one weight event as the association takes it, checked, with what hands say of its places."""

from collections.abc import Sequence
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation

Array = NDArray[Any]
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
"""Range of what sensors report: within it, sums and squares of grams and metres neither overflow nor vanish."""
UNLIKELY = 1e-9
"""Who was seen only at instants so much less probable than the best was not seen."""
NEARBY = 1e-3
"""A shopper whose hands are so much less likely to have done it than another's is left out."""


class Paths(NamedTuple):
    """Hands (T, S, H, 3), their variances (T, S, H) and how probable each instant is (T,)."""

    hands: Array
    var: Array
    when: Array


class Reading(NamedTuple):
    """What happened on which plates, which places it touches, and what hands there say (S, 1 + J)."""

    plates: Array
    delta_g: Array
    sigma_g: Array
    inside: Array
    facing_product: Array
    hands: Array

    @property
    def main_plate(self) -> int:
        """The plate that changed most."""
        return int(self.plates[np.abs(self.delta_g).argmax()])

    def moved(self, place: int) -> tuple[float, float]:
        """Grams of all plates of a place together, and their variance."""
        total, var = 0.0, 0.0
        for inside, grams, sigma in zip(
            self.inside[place].tolist(), self.delta_g.tolist(), self.sigma_g.tolist(), strict=True
        ):
            if inside:
                total, var = total + grams, var + sigma * sigma
        return total, var


def read_paths(hands_m: ArrayLike, var_m2: ArrayLike | None, when: ArrayLike | None, shoppers: int) -> Paths:
    """Check hands; what is beyond float32 was not seen."""
    hands = validation.array("hands_m", hands_m, np.float64, (None, shoppers, None, 3))
    if not (hands.min(initial=0.0) >= -LARGEST and hands.max(initial=0.0) <= LARGEST):  # or one was not seen
        hands = np.where(np.abs(hands) > LARGEST, np.nan, hands)
    var, weight = np.zeros(hands.shape[:3]), np.ones(len(hands))
    if var_m2 is not None:
        var = validation.array("hands_var_m2", var_m2, np.float64, hands.shape[:3])
        var = np.where((var >= 0) & (var <= LARGEST), var, 0.0)
    if when is not None:
        weight = validation.array("when", when, np.float64, (len(hands),), finite=True)
        if not ((weight >= 0) & (weight <= LARGEST)).all():
            raise ValueError("when must not be negative, nor beyond float32")
        weight = np.where(weight >= UNLIKELY * weight.max(initial=0.0), weight, 0.0)
    return Paths(hands, var, weight)


def nearby(hands: list[Array]) -> NDArray[np.intp]:
    """Choose the shoppers who may have done it: those whose hands are not much less likely than the likeliest's."""
    best = np.maximum.reduce(hands[0] if len(hands) == 1 else np.concatenate(hands, axis=1), axis=1)
    least = max(best.tolist(), default=0.0) + log(NEARBY)
    near: NDArray[np.intp] = (best >= least).nonzero()[0]
    return near


def read_grams(delta_g: ArrayLike, sigma_g: ArrayLike, plates: int) -> tuple[Array, Array]:
    """Check the changes of `plates` plates and their standard deviations."""
    delta = validation.array("delta_g", delta_g, np.float64, (plates,))
    sigma = validation.array("sigma_g", sigma_g, np.float64, (plates,))
    if plates == 0:
        raise ValueError("plates must not be empty")
    fine = all(abs(x) <= LARGEST for x in delta.tolist()) and all(SMALLEST <= x <= LARGEST for x in sigma.tolist())
    if not fine:
        for name, values in ("delta_g", delta), ("sigma_g", sigma):
            validation.array(name, values, np.float64, (plates,), finite=True)
        raise ValueError(f"delta_g and sigma_g must be within float32, sigma_g above 0; got {delta} and {sigma}")
    return delta, sigma


def read_vision(vision: ArrayLike | None, shoppers: int, products: int) -> Array:
    """Check what was seen; nothing was if it is None."""
    if vision is None:
        return np.zeros((0, products))
    return validation.array("vision", vision, np.float64, (shoppers, products), finite=True)


def identifiers(name: str, values: Sequence[str]) -> list[str]:
    """Check a sequence of unique names."""
    if isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a sequence of strings; got {type(values).__name__}")
    try:
        result = list(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of strings; got {type(values).__name__}") from None
    for value in result:
        if type(value) is not str or not value:
            validation.identifier(f"each of {name}", value)
    if len(set(result)) < len(result):
        validation.unique(name, result)
    return result
