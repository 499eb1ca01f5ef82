"""The outcome document, field for field."""

import json
from dataclasses import replace

import pytest

from fusion import Candidate, Health, Interaction, Outcome, Product, Store
from fusion.carts import cart
from fusion.receipts import FORMAT

STORE = Store((), (Product("cola", "Cola 0.5 l"), Product("soap", "Soap")), ())


class TestDocument:
    def outcome(self) -> Outcome:
        cause = Candidate("a", "cola", -1, 0.97, (("weight", 8.3), ("hands", -0.5)))
        take = Interaction("1:0", "take", 10, 20, ("1/1/1",), -535.0, 1.5, (cause,))
        baskets = [({"cola": 1}, 0.9375), ({}, 0.03125), ({"cola": 1, "soap": 1}, 0.03125)]
        receipt = cart(STORE, "a", baskets, [take], final=True, review_below=0.9)
        return Outcome((receipt,), (take,), Health(late=2, dropped=1))

    def test_field_for_field(self) -> None:
        document = json.loads(json.dumps(self.outcome().to_dict(), allow_nan=False))
        health = document.pop("health")
        assert document == {
            "format": "fusion.outcome/1",
            "receipts": [
                {
                    "shopper": "a",
                    "final": True,
                    "confidence": 0.9375,
                    "needs_review": False,
                    "lines": [
                        {
                            "product": "cola",
                            "name": "Cola 0.5 l",
                            "quantity": 1,
                            "confidence": 0.96875,
                            "needs_review": False,
                            "interactions": ["1:0"],
                            "decision": "charge",
                            "quantities": {"0": 0.03125, "1": 0.96875},
                        }
                    ],
                    "doubts": [
                        {
                            "product": "soap",
                            "name": "Soap",
                            "quantity": 0,
                            "confidence": 0.96875,
                            "needs_review": False,
                            "interactions": [],
                            "decision": "drop",
                            "quantities": {"0": 0.96875, "1": 0.03125},
                        }
                    ],
                }
            ],
            "interactions": [
                {
                    "id": "1:0",
                    "kind": "take",
                    "start_ns": 10,
                    "end_ns": 20,
                    "plates": ["1/1/1"],
                    "delta_g": -535.0,
                    "sigma_g": 1.5,
                    "candidates": [
                        {
                            "shopper": "a",
                            "product": "cola",
                            "quantity": -1,
                            "probability": 0.97,
                            "terms": {"weight": 8.3, "hands": -0.5},
                        }
                    ],
                }
            ],
        }
        assert health == {
            "plates": [],
            "cameras": [],
            "late": 2,
            "dropped": 1,
            "unused": 0,
            "devices": [],
            "unknown": 0,
        }

    def test_nothing_happened(self) -> None:
        document = Outcome().to_dict()
        assert (document["format"], document["receipts"], document["interactions"]) == (FORMAT, [], [])
        json.dumps(document, allow_nan=False)

    def test_a_document_is_a_copy(self) -> None:
        outcome = Outcome(health=Health(plates=({"plate": "1/1/1", "status": ["ok"]},)))
        outcome.to_dict()["health"]["plates"][0]["status"].append("stuck")
        assert outcome.health.plates == ({"plate": "1/1/1", "status": ["ok"]},)

    def test_outcomes_cannot_change(self) -> None:
        outcome = self.outcome()
        with pytest.raises(AttributeError):
            outcome.receipts[0].final = False  # type: ignore[misc]
        assert replace(outcome, receipts=()).receipts == ()
