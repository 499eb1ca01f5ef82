"""What a term of a candidate's score says, in words and numbers."""

import math

from fusion.association import AssociationSettings, Candidate
from fusion.receipts import Interaction
from fusion.store import Store

TELLING = math.log(3.0)
"""A term that changes the odds by less than threefold says next to nothing."""
FINEST_G = 1e-3
"""No scale is surer than this, whatever a document says."""
FAR_OFF = 6.0
"""So many standard deviations off the catalogue's mass is not the scatter of packages."""

MET = "the hands met as hands do that pass something", "the hands hardly met as hands do that pass something"
SAYS = {  # term: for it, against it
    "hands": ("a hand of {shopper} was at work there", "no hand of {shopper} was seen at work there"),
    "vision": ("the cameras' classifier saw {product}", "the cameras' classifier saw something else"),
    "tags": ("tag reads agree", "tag reads disagree"),
    "basket": (
        "so says what was carried and what lay where, before and since",
        "what was carried and what lay where, before and since, speaks against it",
    ),
}


def term_words(name: str, nats: float, interaction: Interaction, c: Candidate, store: Store | None) -> str:
    """Say what a term contributed to a candidate.

    Parameters
    ----------
    name : str
        Of the term; one that is unknown is told by its strength alone.
    nats : float
        Its log-likelihood ratio against nothing of the store having moved.
    interaction, c
        What happened, and the candidate.
    store : Store or None
        For masses and home places.
    """
    if name == "hands" and not interaction.plates:
        return "says next to nothing" if abs(nats) < TELLING else MET[0 if nats > 0.0 else 1]
    if name == "weight":
        return _weight(nats, interaction, c, store)
    if name == "plates":
        spread = "as for one thing standing there" if nats >= 0.0 else "otherwise than for one thing standing there"
        return f"the change is spread over {', '.join(interaction.plates)} {spread}"
    if name == "place":
        return _place(interaction, c, store)
    if name == "units":
        return "one unit at once" if abs(c.quantity) == 1 else f"{abs(c.quantity)} units at once"
    says = SAYS.get(name)
    if says is None:
        return "for it" if nats >= 0.0 else "against it"
    if abs(nats) < TELLING:
        return "says next to nothing"
    return says[0 if nats > 0.0 else 1].format(shopper=c.shopper, product=c.product)


def _weight(nats: float, interaction: Interaction, c: Candidate, store: Store | None) -> str:
    product = store.product_by_id.get(c.product) if store else None
    units = f"{abs(c.quantity)} x {c.product}"
    if product is None:
        return f"{interaction.delta_g:+.1f} g for {units}"
    if product.by_weight:
        return f"{interaction.delta_g:+.1f} g of {c.product}, which is sold by weight"
    if math.isnan(product.mass_g):
        return f"{interaction.delta_g:+.1f} g for {units}, whose mass is unknown"
    spread = AssociationSettings().mass_spread * product.mass_g
    sigma = math.hypot(interaction.sigma_g, math.sqrt(abs(c.quantity)) * spread)
    off = abs(interaction.delta_g - c.quantity * product.mass_g) / max(sigma, FINEST_G)
    words = f"{interaction.delta_g:+.1f} g is {abs(c.quantity)} x {product.mass_g:.1f} g, {off:.1f} sigma off"
    if off > FAR_OFF and nats > 0.0:
        words += ": something else moved along, or the catalogue's mass is wrong"
    return words


def _place(interaction: Interaction, c: Candidate, store: Store | None) -> str:
    if store is None:
        return "where it lies by the planogram"
    home = list(dict.fromkeys(p for facing in store.planogram if facing.product == c.product for p in facing.plates))
    if not home:
        return "it has no place in the planogram"
    if set(home) & set(interaction.plates):
        return "its place by the planogram"
    return f"not its place, which is {', '.join(home[:4])}{' and more' if len(home) > 4 else ''}"
