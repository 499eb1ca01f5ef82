"""Transfers: what hands that meet may have passed, in all hypotheses about the two shoppers."""

from collections import deque
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import backends
from fusion.association_settings import AssociationSettings
from fusion.beliefs import Beliefs
from fusion.clusters import Cause, probability_of
from fusion.ledger import SURE, Ledger
from fusion.meetings import MeetingSettings
from fusion.observations import NS
from fusion.reference.hypotheses import STAFF

STOWED = 12.0
"""After so many times `in_hand_s`, nothing is still in the hand."""
MOST = 1024
"""Events that are remembered for that, whatever their times say."""
HOME = 1
"""A part's place that changes nothing about what lies misplaced."""


class Transfers:
    """Updates the hypotheses by hands that met.

    Parameters
    ----------
    beliefs : Beliefs
    ledger : Ledger
    settings : AssociationSettings
    meetings : MeetingSettings
    """

    def __init__(
        self, beliefs: Beliefs, ledger: Ledger, settings: AssociationSettings, meetings: MeetingSettings
    ) -> None:
        self._beliefs, self._ledger, self._settings, self._meetings = beliefs, ledger, settings, meetings
        self._kernels = backends.kernels("transfers")
        self._recent: deque[tuple[int, Cause]] = deque(maxlen=MOST)

    def note(self, cause: Cause, time_ns: int) -> None:
        """Note what happened when: who took something has it in his hand."""
        self._recent.append((time_ns, cause))
        stowed_ns = round(STOWED * self._meetings.in_hand_s * NS)
        while self._recent[0][0] < time_ns - stowed_ns:
            self._recent.popleft()

    def meet(self, one: int, other: int, log_ratio: float, time_ns: int) -> Cause | None:
        """Explain a meeting of two owners; None if nothing can have been passed, or next to nothing was.

        `log_ratio` is that of the hands, if something was passed against by chance.
        """
        odds = self._meetings.passing / (1.0 - self._meetings.passing) * exp(min(max(log_ratio, -500.0), 30.0))
        passing = odds / (1.0 + odds)
        receiver = {one: other, other: one}
        held = self._beliefs.possessions((one, other))
        moves = np.array([(o, receiver[o], p) for o, p in held], np.int32).reshape(-1, 3)
        in_hand = self._in_hand(held, time_ns)
        goods = float(in_hand.sum()) + self._meetings.from_basket * len(held)
        if passing * goods / (goods + self._meetings.own_things) < self._meetings.negligible:
            return None
        return self._update(moves, in_hand, passing, log_ratio, time_ns)

    def _in_hand(self, held: list[tuple[int, int]], time_ns: int) -> NDArray[np.float64]:
        """How likely each (owner, product) is in the hand: he got it a moment ago."""
        column = {key: i for i, key in enumerate(held)}
        likely = np.zeros(len(held))
        free = {owner: 1.0 for owner, _ in held}  # how likely what he got earlier is in a hand still
        for then_ns, cause in sorted(self._recent, key=lambda entry: -entry[0]):
            if then_ns > time_ns:
                continue
            kept = (1.0 + (time_ns - then_ns) / NS / self._meetings.in_hand_s) ** -2
            got = dict.fromkeys(free, 0.0)
            for parts, p in zip(cause.parts.tolist(), probability_of(cause).tolist(), strict=True):
                takes = {(owner, product) for owner, product, quantity, _ in parts if quantity < 0 and owner in free}
                for owner, product in takes:
                    got[owner] += p / len(takes)
                    if (owner, product) in column:
                        likely[column[owner, product]] += p * kept * free[owner]
            for owner, p in got.items():
                free[owner] *= 1.0 - min(p, 1.0) * (1.0 - self._meetings.other_hand)
        return np.minimum(likely, 1.0)

    def _update(
        self, moves: NDArray[np.int32], in_hand: NDArray[np.float64], passing: float, log_ratio: float, time_ns: int
    ) -> Cause:
        cluster = self._beliefs.gather({o for o in moves[:, :2].ravel().tolist() if o < STAFF})
        self._beliefs.unfold(cluster, set(moves[:, 2].tolist()), set(), set())
        h, k = len(cluster.weight), self._beliefs.capacity
        weight, count = np.empty(k), np.zeros(k, np.int32)
        records = np.zeros((k, *cluster.records.shape[1:]), np.int32)
        share, chosen = np.empty((k, h)), np.empty((k, 1 + len(moves)))
        kept = self._kernels.transfer(
            cluster.weight, cluster.count, cluster.records, moves, in_hand, self._meetings.from_basket,
            self._meetings.own_things, passing, self._settings.negligible, weight, count, records, share, chosen,
        )  # fmt: skip
        nothing: NDArray[Any] = np.empty(0)
        parts, terms = _as_parts(moves, log_ratio)
        cause = Cause(np.empty(0, np.int32), nothing, nothing, parts, terms, chosen[:kept].copy())
        self._beliefs.advance(cluster, weight[:kept], count[:kept], records[:kept], share[:kept], cause)
        self.note(cause, time_ns)
        probability = np.exp(cluster.weight) @ cause.chosen
        if (best := int(probability.argmax())) > 0 and probability[best] >= SURE:
            self._ledger.hand_on(*moves[best - 1].tolist())
        self._beliefs.end_event(cluster)
        return cause


def _as_parts(moves: NDArray[np.int32], log_ratio: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Write moves as explanations are written: the giver returns a unit, the receiver takes it; the null first."""
    parts = np.full((1 + len(moves), 3, 4), -1, np.int32)
    parts[:, :, 2:] = 0
    parts[1:, 0] = np.stack([moves[:, 0], moves[:, 2], np.ones_like(moves[:, 0]), np.full_like(moves[:, 0], HOME)], 1)
    parts[1:, 1] = np.stack([moves[:, 1], moves[:, 2], -np.ones_like(moves[:, 0]), np.full_like(moves[:, 0], HOME)], 1)
    terms = np.zeros((1 + len(moves), 4))
    terms[1:, 1] = log_ratio
    return parts, terms
