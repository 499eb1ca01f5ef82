"""Clusters: shoppers and plates whose doubts hang together, and how today's hypotheses descend from yesterday's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MARGIN = 6
"""Records by which an event makes a hypothesis longer, at most."""
IMPOSSIBLE = 1e-12
"""Explanations of settled events less probable than this are forgotten."""


@dataclass(slots=True, eq=False)
class Cause:
    """One event, its explanations, and how probable each is in each hypothesis of its time.

    Parameters
    ----------
    plates, delta_g, sigma_g : (n,) arrays
        The event.
    parts : (C, 3, 4) int32, terms : (C, 4) float64
        The explanations that some hypothesis holds, the null first; see ``fusion.reference.explanations.explain``.
    chosen : (H, C) float64
        Rows sum to 1.
    doubted : bool
        The segmentation holds it for a hand.
    probability : (C,) float64, optional
        Once settled.
    """

    plates: Array
    delta_g: Array
    sigma_g: Array
    parts: Array
    terms: Array
    chosen: Array
    doubted: bool = False
    node: "Node | None" = None
    probability: Array | None = None

    @property
    def main_plate(self) -> int:
        """The plate that changed most."""
        return int(self.plates[np.abs(self.delta_g).argmax()])

    def settle(self, probability: Array) -> None:
        """Fix the probabilities; what is as good as impossible, but for the null, is dropped."""
        kept = probability >= IMPOSSIBLE
        kept[0] = True
        self.parts, self.terms, self.probability = self.parts[kept], self.terms[kept], probability[kept]
        self.node, self.chosen = None, np.empty((0, len(self.parts)))


@dataclass(slots=True, eq=False)
class Node:
    """The hypotheses after one step: an event, two clusters joined, somebody who left.

    `parents` are earlier nodes with the share of each new hypothesis that came from each of theirs, (K, H). Of that,
    `joint_share` came by explanations of this event and earlier ones, `joint_causes`, as one, which were nulls then.
    """

    index: int
    parents: list[tuple["Node", Array]]
    cause: Cause | None = None
    joint_causes: Sequence[Cause] = ()
    joint_share: Array | None = None
    child: "Node | None" = None
    cluster: "Cluster | None" = None

    def __post_init__(self) -> None:
        for parent, _ in self.parents:
            parent.child = self


@dataclass(slots=True, eq=False)
class Cluster:
    """Hypotheses about some owners.

    Parameters
    ----------
    weight : (H,) float64, count : (H,) int32, records : (H, R, 3) int32
        As in ``fusion.reference.records``; between events, how each differs from what is written elsewhere.
    owners : set of int
        Whom and which plates they are about; nobody else is in the records.
    node : Node
        The last step.
    age : int
        Steps since the memory was cut.
    doubts : dict of int to set of int
        Of which products of which owners hypotheses differ.
    """

    weight: Array
    count: Array
    records: Array
    owners: set[int]
    node: Node
    age: int = 0
    doubts: dict[int, set[int]] = field(default_factory=dict)
    marginals: dict[int, Array] = field(default_factory=dict)

    def advance(self, weight: Array, count: Array, records: Array, node: Node) -> None:
        """Take the hypotheses after a step."""
        self.weight, self.count, self.records, self.node = weight, count, records, node
        node.cluster = self
        self.age += 1
        self.marginals.clear()

    def probability(self, cause: Cause) -> Array:
        """Probability of each explanation of an open event, in the light of everything since."""
        if cause.node is self.node:
            return np.asarray(np.exp(self.weight) @ cause.chosen)
        if not self.marginals:
            self.marginals = self._sweep()
        return self.marginals[id(cause)]

    def causes(self) -> list[Cause]:
        """Open causes, the newest first."""
        return [node.cause for node in self._nodes() if node.cause is not None]

    def cut(self, memory: int) -> None:
        """Settle all but the newest causes, and forget what led to them."""
        self.age = memory
        causes = self.causes()
        if len(causes) <= memory:
            return
        for cause in causes[memory:]:
            cause.settle(self.probability(cause))
        oldest = min(cause.node.index for cause in causes[:memory] if cause.node is not None)
        for node in self._nodes():
            node.parents = [(parent, share) for parent, share in node.parents if parent.index >= oldest]
        self.marginals.clear()

    def _nodes(self) -> list[Node]:
        found, waiting = [], [self.node]
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting += [parent for parent, _ in node.parents]
        return sorted(found, key=lambda node: -node.index)

    def _sweep(self) -> dict[int, Array]:
        """Hand today's probabilities back to all earlier nodes; return what each open cause comes to."""
        p: dict[int, Array] = {id(self.node): np.exp(self.weight)}
        joint: dict[int, dict[int, Array]] = {}
        found: dict[int, Array] = {}
        for node in self._nodes():
            here = p.pop(id(node))
            apart = joint.pop(id(node), {})
            if node.cause is not None:
                as_one = apart.pop(id(node.cause), None)
                probability = (here if as_one is None else here - as_one) @ node.cause.chosen
                if as_one is not None:
                    probability[0] += as_one.sum()
                found[id(node.cause)] = probability
            for parent, share in node.parents:
                p[id(parent)] = here @ share
                passed = {key: value @ share for key, value in apart.items()}
                for cause in node.joint_causes:
                    passed[id(cause)] = passed.get(id(cause), 0.0) + here @ node.joint_share
                if passed:
                    joint[id(parent)] = passed
        return found


def probability_of(cause: Cause) -> Array:
    """Probability of each explanation of an event, open or settled, in the light of everything since."""
    cluster = cluster_of(cause)
    found = cause.probability if cluster is None else cluster.probability(cause)
    assert found is not None
    return found


def null_probability(cause: Cause) -> float:
    """Probability that nothing of the store moved in an event, in the light of everything since."""
    cluster = cluster_of(cause)
    if cluster is None:
        assert cause.probability is not None
        return float(cause.probability[0])
    if not cause.chosen[:, 0].any():
        return 0.0
    if cluster.marginals:
        return float(cluster.probability(cause)[0])
    return float(np.exp(cluster.weight) @ null_share(cause, cluster))


def null_share(cause: Cause, cluster: Cluster) -> Array:
    """Probability, in each hypothesis of the cluster, that nothing of the store moved in an earlier event, (H,)."""
    if cause.probability is not None:
        return np.full(len(cluster.weight), min(float(cause.probability[0]), 1.0))
    node, null = cause.node, cause.chosen[:, 0]
    while node is not None and node.child is not None:
        child = node.child
        share = next(share for parent, share in child.parents if parent is node)
        before, null = null, share @ null
        if any(c is cause for c in child.joint_causes):
            assert child.joint_share is not None
            null = null + child.joint_share @ (1.0 - before)
        node = child
    assert node is cluster.node
    return np.clip(null, 0.0, 1.0)


def cluster_of(cause: Cause) -> Cluster | None:
    """Return the cluster to which an event belongs now; None once it is settled."""
    node = cause.node
    while node is not None and node.child is not None:
        node = node.child
    return None if node is None else node.cluster
