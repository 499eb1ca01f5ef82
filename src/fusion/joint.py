"""Joint: several weight events that may be one."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike


class Joint(NamedTuple):
    """Earlier events and this one as one: what happened if those were none of their own.

    Parameters
    ----------
    earlier : tuple of hashable
        Names the earlier events, the latest first.
    plates : sequence of str
        Those of all of them.
    delta_g, sigma_g : (n,) float64
        From before the earliest event to after this one, grams.
    when : (T,) float64, optional
        As of `Associator.associate`, for all as one.
    vision : (S, N) float64, optional
        What was seen in all of them; by default what was seen in this one.
    """

    earlier: tuple[Hashable, ...]
    plates: Sequence[str]
    delta_g: ArrayLike
    sigma_g: ArrayLike
    when: ArrayLike | None = None
    vision: ArrayLike | None = None


def earlier_of(joints: Sequence[Joint], known: Callable[[Hashable], bool]) -> tuple[Hashable, ...]:
    """Return all earlier events that joints take in, the latest first.

    Raises
    ------
    ValueError
        If one names no event, or one that is not `known`, or does not go on where the one before it ended.
    """
    names: tuple[Hashable, ...] = ()
    for joint in joints:
        if len(joint.earlier) <= len(names) or joint.earlier[: len(names)] != names:
            raise ValueError(f"earlier of each joint must go on from {names!r}; got {joint.earlier!r}")
        for name in joint.earlier[len(names) :]:
            if not known(name):
                raise ValueError(f"earlier of joint must name an associated event; got {name!r}")
        names = joint.earlier
    return names
