"""A vision model that names the product in a hand: as often right as asked for, and calibrated.

Every product has a point in a space of appearances, close to those of its kind, as packages of a brand are alike. What
the model sees is the point, blurred; what it reports is the posterior of the products for a uniform prior. So its
probabilities are true, and its confusions are those of things that look alike.
"""

import numpy as np

from fusion.observations import ItemScores
from fusion.simulation.actions import Visit
from fusion.simulation.clock import epoch_ns
from fusion.simulation.paths import Array
from fusion.simulation.settings import SimulationSettings
from fusion.store import Store

DIMENSIONS = 8
KIND_SPREAD, PRODUCT_SPREAD = 1.0, 0.6  # of kinds, and of products round their kind's point
AFTER_TAKE_S, BEFORE_RETURN_S = 0.25, 0.3  # when the thing is in the hand and off the shelf
LEAST = 1e-3  # probabilities below this are not reported
TRIALS, HALVINGS = 2000, 40  # for the blur that gives the accuracy


def item_scores(
    settings: SimulationSettings, store: Store, visits: list[Visit], rng: np.random.Generator
) -> list[ItemScores]:
    """Report what is in a shopper's hand in every reach that moves something, in order of time."""
    points = _points(store, rng)
    blur = _blur(points, settings.vision_accuracy, rng)
    index = {product.id: i for i, product in enumerate(store.products)}
    names = np.array(list(index))
    scores = []
    for visit in visits:
        for action in (a for a in visit.actions if a.kind in ("take", "return")):
            seen_s = action.time_s + (AFTER_TAKE_S if action.kind == "take" else -BEFORE_RETURN_S)
            for move in action.moves:
                # What is not of the store looks like anything.
                truth = rng.normal(0.0, np.hypot(KIND_SPREAD, PRODUCT_SPREAD), DIMENSIONS)
                if move.product is not None:
                    truth = points[index[move.product]]
                seen = truth + blur * rng.normal(size=DIMENSIONS)
                p = _posterior(points, seen[None], blur)[0]
                told = np.flatnonzero(p >= LEAST)
                time_ns = epoch_ns(max(seen_s, visit.path.enter_s))
                scores.append(ItemScores(time_ns, tuple(names[told].tolist()), p[told], shopper=visit.shopper))
    return sorted(scores, key=lambda score: score.time_ns)


def _points(store: Store, rng: np.random.Generator) -> Array:
    kinds = [product.name.partition(" ")[0] for product in store.products]
    centers = {kind: rng.normal(0.0, KIND_SPREAD, DIMENSIONS) for kind in sorted(set(kinds))}
    return np.array([centers[kind] + rng.normal(0.0, PRODUCT_SPREAD, DIMENSIONS) for kind in kinds])


def _posterior(points: Array, seen: Array, blur: float) -> Array:
    """Probability (n, C) of each product, given what was seen (n, D)."""
    logits = (seen @ points.T - (points**2).sum(axis=1) / 2) / blur**2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _blur(points: Array, accuracy: float, rng: np.random.Generator) -> float:
    """Find the blur at which the most probable product is the true one with that frequency."""
    truth = rng.integers(len(points), size=TRIALS)
    noise = rng.normal(size=(TRIALS, DIMENSIONS))
    low, high = np.log(1e-3), np.log(1e3)
    for _ in range(HALVINGS):
        blur = float(np.exp((low + high) / 2))
        seen = points[truth] + blur * noise
        right = float((_posterior(points, seen, blur).argmax(axis=1) == truth).mean())
        low, high = ((low + high) / 2, high) if right > accuracy else (low, (low + high) / 2)
    return float(np.exp(low))
