"""Where things stand, as arrays: which plates and facings a weight event touches, and the space around them."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fusion.store import Store

Boxes = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
REMEMBERED = 4096
"""Sets of plates whose surroundings are remembered."""


class Places:
    """Index of a store's plates and facings for the association.

    Parameters
    ----------
    store : Store
        Plates in the order of fixtures, facings in the order of the planogram.
    """

    def __init__(self, store: Store) -> None:
        plates = list(store.plate_by_id.values())
        products = {p.id: i for i, p in enumerate(store.products)}
        self._index = {plate.id: i for i, plate in enumerate(plates)}
        self._center = np.array([p.box.center_m for p in plates]).reshape(-1, 3)
        self._axes = np.array([p.box.rotation for p in plates]).reshape(-1, 3, 3)
        self._half = np.array([p.box.size_m / 2 for p in plates]).reshape(-1, 3)
        self._facings: list[set[int]] = [set() for _ in plates]
        for i, facing in enumerate(store.planogram):
            for plate in facing.plates:
                self._facings[self._index[plate]].add(i)
        self.facing_product = np.array([products[f.product] for f in store.planogram], np.int32)
        self._touched = lru_cache(REMEMBERED)(self._look_up_touched)
        self._boxes = lru_cache(REMEMBERED)(self._look_up_boxes)

    def plate_index(self, plates: Sequence[str]) -> NDArray[np.int32]:
        """Return the indices of plates.

        Raises
        ------
        ValueError
            If a plate is unknown.
        """
        try:
            return np.array([self._index[p] for p in plates], np.int32)
        except KeyError as error:
            raise ValueError(f"unknown plate {error.args[0]!r}") from None

    def touched(
        self, plates: NDArray[np.int32], delta_g: NDArray[np.float64], sigma_g: NDArray[np.float64], cross_talk: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """Tell which of an event's places changed by more than noise and cross-talk explain.

        Returns
        -------
        inside : (1 + J, n) uint8
            Which of the event's n plates belong to the event's own place and to each of J touched facings.
        facings : (J,) intp
            The touched facings.
        """
        size = np.abs(delta_g).tolist()
        most = max(size)
        noise = [max(4 * sigma, 2 * cross_talk * most) for sigma in sigma_g.tolist()]
        return self._touched(plates.tobytes(), bytes(x == most or x > n for x, n in zip(size, noise, strict=True)))

    def boxes(self, plates: NDArray[np.int32], inside: NDArray[np.uint8]) -> Boxes:
        """Return the boxes of each place's plates: run starts (1 + J + 1,), centers, axes and half sizes, metres."""
        return self._boxes(plates.tobytes(), inside.tobytes())

    def _look_up_touched(self, plates: bytes, own: bytes) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        index = np.frombuffer(plates, np.int32).tolist()
        standing = [self._facings[plate] for plate in index]
        facings = sorted(set().union(*(there for there, is_own in zip(standing, own, strict=True) if is_own)))
        inside = own + bytes(f in there for f in facings for there in standing)
        return np.frombuffer(inside, np.uint8).reshape(-1, len(index)), np.array(facings, np.intp)

    def _look_up_boxes(self, plates: bytes, inside: bytes) -> Boxes:
        index = np.frombuffer(plates, np.int32).tolist()
        each = [index[k % len(index)] for k, is_inside in enumerate(inside) if is_inside]
        size = [sum(inside[k : k + len(index)]) for k in range(0, len(inside), len(index))]
        start = np.array([0, *accumulate(size)], np.int32)
        return start, self._center.take(each, 0), self._axes.take(each, 0), self._half.take(each, 0)
