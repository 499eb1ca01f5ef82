"""What is believed about everybody: sure things one by one, doubtful ones in clusters of hypotheses."""

from collections.abc import Callable, Collection, Iterable
from itertools import chain, count
from math import log
from typing import Any

import numpy as np

from fusion.association_settings import AssociationSettings
from fusion.clusters import MARGIN, Cause, Cluster, Node

Basket = tuple[tuple[int, int], ...]
"""(product, quantity), sorted."""
LEAST = 1e-9
"""Contents less probable than this are not told."""


class Beliefs:
    """Who carries what and what lies misplaced.

    Of every owner (a shopper, or ``-1 - plate``) one basket is written down; a cluster holds the doubts that hang
    together, as hypotheses that tell how they differ from it. So they are short, however much there is in the baskets.

    Parameters
    ----------
    kernels
        Those of ``hypotheses``.
    settings : AssociationSettings
    capacity : int
        K, hypotheses of a cluster.
    memory : int
        Events of a cluster that stay open to revision.
    products : int
        How many the store has.
    """

    def __init__(self, kernels: Any, settings: AssociationSettings, capacity: int, memory: int, products: int) -> None:
        self._kernels, self._settings, self._products = kernels, settings, products
        self.capacity, self._memory = capacity, memory
        self._baskets: dict[int, dict[int, int]] = {}
        self._clusters: dict[int, Cluster] = {}
        self._steps = count()

    def node(self, parents: list[tuple[Node, Any]], **what: Any) -> Node:
        """Begin the next step."""
        return Node(next(self._steps), parents, **what)

    def gather(self, owners: Iterable[int], others: Iterable[Cluster] = ()) -> Cluster:
        """Return one cluster that holds these owners, and what others hold; those it is made of are gone."""
        owners = set(owners)
        parts = {id(c): c for c in others} | {
            id(c): c for o in sorted(owners) if (c := self._clusters.get(o)) is not None
        }
        clusters = sorted(parts.values(), key=lambda c: c.node.index)
        if not clusters:
            empty = np.zeros((1, MARGIN, 3), np.int32)
            clusters = [Cluster(np.zeros(1), np.zeros(1, np.int32), empty, set(), self.node([]))]
        whole = clusters[0]
        for other in clusters[1:]:
            whole = self._joined(whole, other)
        if len(clusters) > 1:
            self._fold(whole)
        whole.owners |= owners
        whole.node.cluster = whole
        self._clusters.update(dict.fromkeys(whole.owners, whole))
        return whole

    def unfold(self, cluster: Cluster, back: set[int], found: set[int], shoppers: set[int]) -> None:
        """Put what an event asks for into all hypotheses, and make room for it.

        That is who has the products that come `back`, how many units the shoppers nearby have then, and on which plates
        there is what may be `found` there. Those of their units that are not asked for by product stand as units of a
        product that the store does not have.
        """
        records = []
        for owner in sorted(cluster.owners & self._baskets.keys()) if back or found else ():
            basket = self._baskets[owner]
            if asked := (back if owner >= 0 else found) & basket.keys():
                records += [(owner, p, basket.pop(p)) for p in sorted(asked)]
            if back and basket and owner in shoppers:
                records.append((owner, self._products, sum(basket.values())))
        self._add(cluster, np.fromiter(chain.from_iterable(records), np.int32, 3 * len(records)).reshape(-1, 3))

    def advance(
        self, cluster: Cluster, weight: Any, count: Any, records: Any, share: Any, cause: Cause | None = None
    ) -> Node:
        """Take the hypotheses of a cluster after a step, and what of each came from each old one; return the step."""
        node = self.node([(cluster.node, share)], cause=cause)
        if cause is not None:
            cause.node = node
        cluster.advance(weight, count, records, node)
        return node

    def end_event(self, cluster: Cluster) -> None:
        """Release a cluster after an event, and settle its events that are too old to be revised."""
        self.release(cluster)
        if cluster.age > 2 * self._memory:
            cluster.cut(self._memory)

    def release(self, cluster: Cluster) -> None:
        """Write down what the first hypothesis says, and let go of those owners of whom all hypotheses say the same."""
        self._fold(cluster)
        for owner in cluster.owners - cluster.doubts.keys():
            del self._clusters[owner]
        cluster.owners = set(cluster.doubts)
        if len(cluster.weight) == 1:
            found = [(cause, cluster.probability(cause)) for cause in cluster.causes()]  # all, before any is settled
            for cause, probability in found:
                cause.settle(probability)

    def forget(self, owner: int) -> None:
        """Drop an owner: what remains open is about the others."""
        self._baskets.pop(owner, None)
        cluster = self._clusters.pop(owner, None)
        if cluster is None:
            return
        weight, n, records = cluster.weight, cluster.count, cluster.records
        share = np.empty((len(weight), len(weight)))
        kept = self._kernels.forget(owner, weight, n, records, share)
        cluster.owners.discard(owner)
        self.advance(cluster, weight[:kept], n[:kept], records[:kept], share[:kept])
        self.release(cluster)

    def weigh(self, owners: Iterable[int], log_likelihood: Callable[[Basket], float]) -> None:
        """Weigh all hypotheses by what they say that these owners carry together; what is sure stays as it is.

        Raises
        ------
        ValueError
            If a log-likelihood is NaN or infinite; no probability is changed then.
        """
        owners = set(owners)
        if not any(owner in self._clusters for owner in owners):
            return
        cluster = self.gather(owners & self._clusters.keys())
        written = self._written(owners)
        gain = np.array([log_likelihood(_contents(cluster, h, owners, written)) for h in range(len(cluster.weight))])
        if not np.isfinite(gain).all():
            raise ValueError(f"log_likelihood must be finite; got {gain}")
        weight = cluster.weight + gain
        order = np.argsort(-weight, kind="stable")
        order = order[weight[order] >= weight[order[0]] + log(self._settings.negligible)]
        weight = weight[order] - np.logaddexp.reduce(weight[order])
        share = np.eye(len(cluster.weight))[order]
        self.advance(cluster, weight, cluster.count[order], cluster.records[order], share)
        self.release(cluster)

    def baskets(self, owners: Iterable[int]) -> list[tuple[Basket, float]]:
        """Tell what owners may carry together, most probable first."""
        owners = set(owners)
        clusters = {id(c): c for o in owners if (c := self._clusters.get(o)) is not None}.values()
        contents: dict[Basket, float] = {_basket(self._written(owners - self._clusters.keys())): 1.0}
        for cluster in clusters:
            own = owners & cluster.owners
            contents = _combined(contents, _carried(cluster, own, self._written(own)))
        return sorted(contents.items(), key=lambda item: (-item[1], item[0]))

    def holders(self, products: set[int]) -> set[int]:
        """Shoppers who may carry any of these products."""
        found = {o for o, basket in self._baskets.items() if o >= 0 and not products.isdisjoint(basket)}
        for cluster in {id(c): c for c in self._clusters.values()}.values():
            found |= {o for o, held in cluster.doubts.items() if o >= 0 and not products.isdisjoint(held)}
        return found

    def holds(self, owner: int, products: set[int]) -> bool:
        """Tell whether an owner may have any of these products."""
        return not all(products.isdisjoint(held) for held in self._held(owner))

    def possessions(self, owners: Iterable[int]) -> list[tuple[int, int]]:
        """List what owners may carry: (owner, product), sorted."""
        return sorted({(owner, product) for owner in owners for held in self._held(owner) for product in held})

    def carried(self, owners: list[int]) -> Any:
        """Mark the products that these owners have in some hypothesis, (owners, N) uint8."""
        marks = bytearray(len(owners) * self._products)
        for row, owner in enumerate(owners):
            for held in self._held(owner):
                for product in held:
                    marks[row * self._products + product] = 1
        return np.frombuffer(marks, np.uint8).reshape(len(owners), self._products)

    def _held(self, owner: int) -> tuple[Collection[int], Collection[int]]:
        """Products that are written down of an owner, and those of which hypotheses differ."""
        cluster = self._clusters.get(owner)
        return self._baskets.get(owner, ()), cluster.doubts.get(owner, ()) if cluster else ()

    def _fold(self, cluster: Cluster) -> None:
        """Write down what the first hypothesis says, and look up where others differ."""
        first = cluster.records[0, : cluster.count[0]].copy()
        for owner, product, quantity in first.tolist():
            if product < self._products:
                basket = self._baskets.setdefault(owner, {})
                basket[product] = basket.get(product, 0) + quantity
                if basket[product] == 0:
                    del basket[product]
        cluster.doubts = {}
        if len(cluster.weight) == 1:
            cluster.count[0] = 0
            return
        np.negative(first[:, 2], out=first[:, 2])
        self._add(cluster, first)
        doubtful = np.empty((cluster.records.size // 3, 2), np.int32)
        n = self._kernels.list_doubts(cluster.count, cluster.records, doubtful)
        for owner, product in doubtful[:n].tolist():
            cluster.doubts.setdefault(owner, set()).add(product)

    def _add(self, cluster: Cluster, found: Any) -> None:
        """Add records to all hypotheses, and make room for what an event adds."""
        stride = int(cluster.count.max()) + len(found) + MARGIN
        if len(found) == 0 and stride <= cluster.records.shape[1]:
            return
        count = np.empty_like(cluster.count)
        records = np.empty((len(count), stride, 3), np.int32)
        self._kernels.add_to_all(found, cluster.count, cluster.records, count, records)
        cluster.count, cluster.records = count, records

    def _written(self, owners: set[int]) -> dict[int, int]:
        """Tell what is written down of owners, all together."""
        units: dict[int, int] = {}
        for owner in owners & self._baskets.keys():
            for product, quantity in self._baskets[owner].items():
                units[product] = units.get(product, 0) + quantity
        return units

    def _joined(self, one: Cluster, other: Cluster) -> Cluster:
        k = min(self.capacity, len(one.weight) * len(other.weight))
        stride = int(one.count.max()) + int(other.count.max()) + MARGIN
        weight, n = np.empty(k), np.zeros(k, np.int32)
        records, source = np.zeros((k, stride, 3), np.int32), np.empty((k, 2), np.int32)
        kept = self._kernels.join(
            one.weight, one.count, one.records, other.weight, other.count, other.records, weight, n, records, source,
            self._settings,
        )  # fmt: skip
        source = source[:kept]
        parents = [(part.node, np.eye(len(part.weight))[source[:, side]]) for side, part in enumerate((one, other))]
        node = self.node(parents)
        whole = Cluster(weight[:kept], n[:kept], records[:kept], one.owners | other.owners, node, one.age + other.age)
        node.cluster = whole
        return whole


def _carried(cluster: Cluster, owners: set[int], written: dict[int, int]) -> dict[Basket, float]:
    """Probabilities of what owners of a cluster carry together."""
    found: dict[Basket, float] = {}
    for h, p in enumerate(np.exp(cluster.weight).tolist()):
        basket = _contents(cluster, h, owners, written)
        found[basket] = found.get(basket, 0.0) + p
    return found


def _contents(cluster: Cluster, h: int, owners: set[int], written: dict[int, int]) -> Basket:
    """Tell what owners carry together in one hypothesis."""
    units = dict(written)
    for owner, product, quantity in cluster.records[h, : cluster.count[h]].tolist():
        if owner in owners:
            units[product] = units.get(product, 0) + quantity
    return _basket(units)


def _basket(units: dict[int, int]) -> Basket:
    return tuple(sorted((product, quantity) for product, quantity in units.items() if quantity))


def _combined(one: dict[Basket, float], other: dict[Basket, float]) -> dict[Basket, float]:
    """Probabilities of two independent contents taken together."""
    found: dict[Basket, float] = {}
    for a, p in one.items():
        for b, q in other.items():
            units = dict(a)
            for product, quantity in b:
                units[product] = units.get(product, 0) + quantity
            basket = _basket(units)
            if p * q >= LEAST:
                found[basket] = found.get(basket, 0.0) + p * q
    return found
