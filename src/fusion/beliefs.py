"""What is believed about everybody: sure things one by one, doubtful ones in clusters of hypotheses."""

from collections.abc import Callable, Iterable
from itertools import count
from math import log
from typing import Any

import numpy as np

from fusion.association_settings import AssociationSettings
from fusion.clusters import MARGIN, Cluster, Node

Basket = tuple[tuple[int, int], ...]
"""(product, quantity), sorted."""
LEAST = 1e-9
"""Contents less probable than this are not told."""


class Beliefs:
    """Who carries what and what lies misplaced.

    An owner (a shopper, or ``-1 - plate``) of whom all hypotheses say the same is out of any cluster; a cluster holds
    those whose doubts hang together. So the K hypotheses are about few owners, however many there are.

    Parameters
    ----------
    kernels
        Those of ``hypotheses``.
    settings : AssociationSettings
    capacity : int
        K, hypotheses of a cluster.
    """

    def __init__(self, kernels: Any, settings: AssociationSettings, capacity: int) -> None:
        self._kernels, self._settings, self._capacity = kernels, settings, capacity
        self._sure: dict[int, Basket] = {}
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
        alone = owners - whole.owners
        whole.insert([(o, p, q) for o in alone for p, q in self._sure.pop(o, ())])
        whole.owners |= alone
        whole.node.cluster = whole
        for owner in whole.owners:
            self._clusters[owner] = whole
        return whole

    def release(self, cluster: Cluster) -> None:
        """Let go of those owners of whom all hypotheses say the same."""
        single = len(cluster.weight) == 1
        free = {
            o for o in cluster.owners if single or self._kernels.certain(cluster.count, cluster.records, o)
        }  # fmt: skip
        cluster.owners -= free
        for owner in free:
            del self._clusters[owner]
        baskets: dict[int, list[tuple[int, int]]] = {}
        for owner, product, quantity in cluster.records[0, : cluster.count[0]].tolist():
            if owner in free:
                baskets.setdefault(owner, []).append((product, quantity))
        if baskets:
            self._sure |= {owner: tuple(basket) for owner, basket in baskets.items()}
            cluster.drop(list(baskets))
        if single:
            for cause in cluster.causes():
                cause.settle(cluster.probability(cause))

    def forget(self, owner: int) -> None:
        """Drop an owner: what remains open is about the others."""
        self._sure.pop(owner, None)
        cluster = self._clusters.pop(owner, None)
        if cluster is None:
            return
        weight, n, records = cluster.weight, cluster.count, cluster.records
        share = np.empty((len(weight), len(weight)))
        kept = self._kernels.forget(owner, weight, n, records, share)
        cluster.owners.discard(owner)
        node = self.node([(cluster.node, share[:kept])])
        cluster.advance(weight[:kept], n[:kept], records[:kept], node)
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
        cluster = self.gather(owners)
        gain = np.array([log_likelihood(_contents(cluster, h, owners)) for h in range(len(cluster.weight))])
        if not np.isfinite(gain).all():
            raise ValueError(f"log_likelihood must be finite; got {gain}")
        weight = cluster.weight + gain
        order = np.argsort(-weight, kind="stable")
        order = order[weight[order] >= weight[order[0]] + log(self._settings.negligible)]
        weight = weight[order] - np.logaddexp.reduce(weight[order])
        node = self.node([(cluster.node, np.eye(len(cluster.weight))[order])])
        cluster.advance(weight, cluster.count[order], cluster.records[order], node)
        self.release(cluster)

    def baskets(self, owners: Iterable[int]) -> list[tuple[Basket, float]]:
        """Tell what owners may carry together, most probable first."""
        contents: dict[Basket, float] = {(): 1.0}
        seen: set[int] = set()
        owners = list(owners)
        for owner in owners:
            cluster = self._clusters.get(owner)
            if cluster is None:
                contents = _combined(contents, {self._sure.get(owner, ()): 1.0})
            elif id(cluster) not in seen:
                seen.add(id(cluster))
                contents = _combined(contents, _carried(cluster, set(owners)))
        return sorted(contents.items(), key=lambda item: (-item[1], item[0]))

    def holders(self, products: set[int]) -> set[int]:
        """Shoppers who may carry any of these products."""
        found = {o for o, basket in self._sure.items() if o >= 0 and any(p in products for p, _ in basket)}
        for cluster in {id(c): c for c in self._clusters.values()}.values():
            records = cluster.held
            hit = np.isin(records[:, 1], list(products)) & (records[:, 0] >= 0)
            found |= set(records[hit][:, 0].tolist())
        return found

    def possessions(self, owners: Iterable[int]) -> list[tuple[int, int]]:
        """List what owners may carry: (owner, product), sorted."""
        found = {(o, p) for o in owners for p, _ in self._sure.get(o, ())}
        for owner in set(owners) & self._clusters.keys():
            held = self._clusters[owner].held
            found |= {(owner, p) for p in held[held[:, 0] == owner, 1].tolist()}
        return sorted(found)

    def present(self, cluster: Cluster, owners: set[int], products: int) -> Any:
        """Mark the products that some hypothesis has with these owners, (N,) uint8."""
        marks = np.zeros(products, np.uint8)
        held = cluster.held
        marks[held[np.isin(held[:, 0], list(owners)), 1]] = 1
        return marks

    def _joined(self, one: Cluster, other: Cluster) -> Cluster:
        k = min(self._capacity, len(one.weight) * len(other.weight))
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


def _carried(cluster: Cluster, owners: set[int]) -> dict[Basket, float]:
    """Probabilities of what owners of a cluster carry together."""
    found: dict[Basket, float] = {}
    for h, p in enumerate(np.exp(cluster.weight).tolist()):
        basket = _contents(cluster, h, owners)
        found[basket] = found.get(basket, 0.0) + p
    return found


def _contents(cluster: Cluster, h: int, owners: set[int]) -> Basket:
    """Tell what owners carry together in one hypothesis."""
    units: dict[int, int] = {}
    for owner, product, quantity in cluster.records[h, : cluster.count[h]].tolist():
        if owner in owners:
            units[product] = units.get(product, 0) + quantity
    return tuple(sorted(units.items()))


def _combined(one: dict[Basket, float], other: dict[Basket, float]) -> dict[Basket, float]:
    """Probabilities of two independent contents taken together."""
    found: dict[Basket, float] = {}
    for a, p in one.items():
        for b, q in other.items():
            units = dict(a)
            for product, quantity in b:
                units[product] = units.get(product, 0) + quantity
            basket = tuple(sorted(units.items()))
            if p * q >= LEAST:
                found[basket] = found.get(basket, 0.0) + p * q
    return found
