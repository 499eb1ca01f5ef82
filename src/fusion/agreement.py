"""Which tracks enough cameras agree on: rays of different people meet by chance, in two views more often than in three."""

import numpy as np
from numpy.typing import NDArray

NEVER = -(2**62)


class Agreement:
    """When each camera last saw each track.

    Parameters
    ----------
    cameras : int
        How many there are.
    views : int
        How many must agree; all, if there are fewer.
    agree_s, lost_s : float
        Within which time they must have seen a track that was not told, and one that was, seconds.
    """

    def __init__(self, cameras: int, views: int, agree_s: float, lost_s: float) -> None:
        self._least = min(views, cameras)
        self._new_ns, self._lost_ns = round(agree_s * 1e9), round(lost_s * 1e9)
        self._ids, self._told = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        self._seen_ns = np.zeros((0, cameras), np.int64)

    def told(
        self, ids: NDArray[np.int64], camera: int, now_ns: int, detections: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Take in a picture, whose detections are of these tracks, and tell which tracks enough cameras agree on."""
        if not np.array_equal(ids, self._ids):
            self._follow(ids)
        self._seen_ns[np.isin(ids, detections), camera] = now_ns
        since_ns = now_ns - np.where(self._told, self._lost_ns, self._new_ns)
        self._told = (self._seen_ns >= since_ns[:, None]).sum(1) >= self._least
        return self._told

    def _follow(self, ids: NDArray[np.int64]) -> None:
        seen_ns, told = np.full((len(ids), self._seen_ns.shape[1]), NEVER), np.zeros(len(ids), np.bool_)
        old = np.isin(self._ids, ids)
        at = np.searchsorted(ids, self._ids[old])
        seen_ns[at], told[at] = self._seen_ns[old], self._told[old]
        self._ids, self._seen_ns, self._told = ids.copy(), seen_ns, told
