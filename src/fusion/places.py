"""Where things stand, as arrays: which plates and facings a weight event touches, and the space around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.store import Store


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
        self._facing_has_plate = np.zeros((len(store.planogram), len(plates)), np.uint8)
        for i, facing in enumerate(store.planogram):
            self._facing_has_plate[i, self.plate_index(facing.plates)] = 1
        self.facing_product = np.array([products[f.product] for f in store.planogram], np.int32)

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
        size = np.abs(delta_g)
        own = (size == size.max()) | (size > np.maximum(4 * sigma_g, 3 * cross_talk * size.max()))
        has = self._facing_has_plate[:, plates]
        facings = np.flatnonzero((has & own).any(axis=1))
        return np.concatenate([own[None].astype(np.uint8), has[facings]]), facings

    def boxes(
        self, plates: NDArray[np.int32], inside: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the boxes of each place's plates: run starts (1 + J + 1,), centers, axes and half sizes, metres."""
        start = np.concatenate([[0], inside.sum(axis=1).cumsum()]).astype(np.int32)
        each = plates[np.nonzero(inside)[1]]
        return start, self._center[each], self._axes[each], self._half[each]
