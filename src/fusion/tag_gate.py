"""Tags read at the gate: how well they agree with what those who leave at that time may carry."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import lgamma, log, log1p

import numpy as np

from fusion.looks import LookSettings
from fusion.observations import NS, TagReads
from fusion.store import Store

LONGEST_NS = 30 * NS
"""Those who leave within so long, one close behind the other, are weighed together; at a busy gate, no more."""
MEMORY_NS = 600 * NS
"""For so long a read waits for somebody who was only later found to have left."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Shoppers who left together, and how many tags of each product were read then."""

    shoppers: tuple[str, ...]
    tags: Mapping[str, int]


class TagGate:
    """Reads that wait for those who carried the tags out; everything comes in order of time.

    Parameters
    ----------
    store : Store
        Whose tags are on which products.
    settings : LookSettings
        Of these, what the antenna misses and when reads belong to somebody.

    Attributes
    ----------
    unused : int
        Reads at a time when nobody left.
    unknown : int
        Tags that the store does not know.
    """

    def __init__(self, store: Store, settings: LookSettings) -> None:
        self._store, self._settings = store, settings
        self._near_ns = round(settings.gate_s * NS)
        self._reads: list[TagReads] = []
        self._weighed: dict[str, int] = {}
        self._came = False
        self.unused = self.unknown = 0

    def see(self, reads: TagReads) -> None:
        """Take reads in."""
        self._came = True
        self.unknown += sum(tag not in self._store.product_by_tag for tag in reads.tags)
        self._reads.append(reads)

    def passages(self, left_ns: Mapping[str, int], safe_ns: int, now_ns: int) -> tuple[list[Passage], set[str]]:
        """Return who can be weighed now, each once, and who has to wait for that.

        Parameters
        ----------
        left_ns : mapping of str to int
            When those left who have no receipt yet.
        safe_ns : int
            What shoppers who left before this took is known.
        now_ns : int
            Time of the newest observation.
        """
        self._weighed = {s: t for s, t in self._weighed.items() if left_ns.get(s) == t}
        waiting = sorted((t, s) for s, t in left_ns.items() if s not in self._weighed)
        ready: list[Passage] = []
        while self._came and waiting:
            exits, reads = self._together(waiting)
            last_ns = max(exits[-1][0], *(r.time_ns for r in reads)) if reads else exits[-1][0]
            if exits[-1][0] >= safe_ns or now_ns <= last_ns + self._near_ns:
                break
            waiting = [w for w in waiting if w not in exits]
            self._weighed.update({s: t for t, s in exits})
            used = set(map(id, reads))
            self._reads = [r for r in self._reads if id(r) not in used]
            if reads:
                ready.append(Passage(tuple(s for _, s in exits), self._products(reads)))
        self._forget(now_ns - MEMORY_NS)
        return ready, {s for _, s in waiting} if self._came else set()

    def flush(self) -> None:
        """Give up all reads, at the end."""
        self.unused += len(self._reads)
        self._reads.clear()

    def suspects(self, tags: Mapping[str, int], basket: Mapping[str, int]) -> set[str]:
        """Name the products of which too few tags were read, if there are reads that the basket does not explain."""
        if all(n <= basket.get(product, 0) for product, n in tags.items()):
            return set()
        known = self._store.product_by_id
        unread = {p for p, n in basket.items() if tags.get(p, 0) < min(n, len(known[p].tags))}
        return unread | {p for p, n in tags.items() if n > basket.get(p, 0)}

    def log_likelihood(self, tags: Mapping[str, int], basket: Mapping[str, int]) -> float:
        """Log-probability of the reads if this is what is carried, relative to nothing being carried nor read.

        Units without tags say nothing. Where a product has fewer tags than units are carried, some units have none.
        """
        total = 0.0
        for product in tags.keys() | basket.keys():
            tagged = len(self._store.product_by_id[product].tags)
            total += self._log_reads(tags.get(product, 0), min(max(basket.get(product, 0), 0), tagged)) if tagged else 0
        return total

    def _log_reads(self, read: int, carried: int) -> float:
        """Log-probability that of so many tags that are carried, and others, so many are read."""
        detected, missed = log(self._settings.tag_detected), log1p(-self._settings.tag_detected)
        false = log(self._settings.tag_false)
        ways = [
            lgamma(carried + 1) - lgamma(k + 1) - lgamma(carried - k + 1)
            + k * detected + (carried - k) * missed + (read - k) * false
            for k in range(min(read, carried) + 1)
        ]  # fmt: skip
        return float(np.logaddexp.reduce(ways))

    def _together(self, waiting: list[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[TagReads]]:
        """Find who left with the first of those who wait, as far as the reads tell, and the reads."""
        first_ns = waiting[0][0]
        begin = bisect_left(self._reads, first_ns - self._near_ns, key=_time_ns)
        end = bisect_right(self._reads, first_ns + LONGEST_NS + self._near_ns, key=_time_ns)
        exits, around = waiting[:1], self._reads[begin:end]
        while True:
            reads = [r for r in around if any(abs(r.time_ns - t) <= self._near_ns for t, _ in exits)]
            more = [
                (t, s)
                for t, s in waiting
                if (t, s) == waiting[0]
                or (t <= first_ns + LONGEST_NS and any(abs(r.time_ns - t) <= self._near_ns for r in reads))
            ]
            if len(more) == len(exits):
                return exits, reads
            exits = more

    def _products(self, reads: list[TagReads]) -> dict[str, int]:
        """Count the different tags of each product."""
        known = self._store.product_by_tag
        return Counter(known[tag].id for tag in {tag for r in reads for tag in r.tags} if tag in known)

    def _forget(self, before_ns: int) -> None:
        n = bisect_left(self._reads, before_ns, key=_time_ns)
        self.unused += n
        del self._reads[:n]


def _time_ns(reads: TagReads) -> int:
    return reads.time_ns
