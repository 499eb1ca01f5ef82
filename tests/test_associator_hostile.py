"""The association refuses what makes no sense, and nothing is changed then."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from crosscheck import agree
from fusion.association import AssociationSettings, Associator, Candidate
from fusion.store import Product, Store
from test_associator import at, store

EVENT: dict[str, Any] = {
    "key": "e",
    "plates": ["p0", "p1"],
    "delta_g": [-500.0, 0.0],
    "sigma_g": [1.0, 1.0],
    "shoppers": ["ann", "bob"],
    "hands_m": at("p0", None),
}


class TestBadArguments:
    @pytest.mark.parametrize(
        ("changed", "error", "message"),
        [
            ({"plates": ["p0", "p9"]}, ValueError, "unknown plate 'p9'"),
            ({"plates": ["p0", "p0"]}, ValueError, "plates must be unique"),
            ({"plates": "p0"}, TypeError, "plates must be a sequence of strings"),
            ({"plates": ["p0", 1]}, TypeError, "each of plates must be a string"),
            ({"plates": ["p0", ["p1"]]}, TypeError, "each of plates must be a string"),
            ({"plates": 7}, TypeError, "plates must be a sequence"),
            ({"plates": [], "delta_g": [], "sigma_g": []}, ValueError, "plates must not be empty"),
            ({"delta_g": [-500.0]}, ValueError, "delta_g must have shape"),
            ({"delta_g": [np.nan, 0]}, ValueError, "delta_g must be finite"),
            ({"delta_g": [np.inf, 0]}, ValueError, "delta_g must be finite"),
            ({"delta_g": [1e300, 0]}, ValueError, "delta_g and sigma_g must be within float32"),
            ({"delta_g": "heavy"}, TypeError, "delta_g must be an array"),
            ({"sigma_g": [1.0, 0.0]}, ValueError, "sigma_g above 0"),
            ({"sigma_g": [1.0, -1.0]}, ValueError, "sigma_g above 0"),
            ({"sigma_g": [1.0, np.nan]}, ValueError, "sigma_g must be finite"),
            ({"sigma_g": [1.0, 1e-200]}, ValueError, "sigma_g must be within float32"),
            ({"sigma_g": 1.0}, ValueError, "sigma_g must have shape"),
            ({"shoppers": ["ann", "ann"]}, ValueError, "shoppers must be unique"),
            ({"shoppers": ["ann", 5]}, TypeError, "each of shoppers must be a string"),
            ({"shoppers": ["ann", ""]}, ValueError, "each of shoppers must not be empty"),
            ({"shoppers": "ab"}, TypeError, "shoppers must be a sequence of strings"),
            ({"shoppers": None}, TypeError, "shoppers must be a sequence of strings"),
            ({"shoppers": ["ann"]}, ValueError, "hands_m must have shape"),
            ({"hands_m": np.zeros((3, 2, 3))}, ValueError, "hands_m must have shape"),
            ({"hands_m": None}, (TypeError, ValueError), "hands_m must"),
            ({"key": ["e"]}, TypeError, "key must be hashable"),
            ({"key": ("e", ["e"])}, TypeError, "key must be hashable"),
        ],
    )
    def test_a_malformed_event_is_refused_and_leaves_no_trace(
        self, changed: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        fresh, refused = Associator(store()), Associator(store())
        with pytest.raises(error, match=message):
            refused.associate(**(EVENT | changed))
        assert refused.associate(**EVENT) == fresh.associate(**EVENT)

    def test_a_key_comes_once(self) -> None:
        associator = Associator(store())
        associator.associate(**EVENT)
        with pytest.raises(ValueError, match="key must be new; event 'e'"):
            associator.associate(**EVENT)
        assert associator.knows("e")
        assert not associator.knows("f")
        with pytest.raises(ValueError, match="key must name an associated event; got 'f'"):
            associator.candidates("f")

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"hypotheses": 0}, ValueError, "hypotheses must lie in"),
            ({"hypotheses": "64"}, TypeError, "hypotheses must be an integer"),
            ({"hypotheses": 2.5}, TypeError, "hypotheses must be an integer"),
            ({"memory": 0}, ValueError, "memory must lie in"),
            ({"memory": True}, TypeError, "memory must be an integer"),
            ({"settings": {}}, TypeError, "settings must be AssociationSettings"),
            ({"settings": AssociationSettings(null=0.0)}, ValueError, "null must be a probability"),
            ({"settings": AssociationSettings(echo=1.0)}, ValueError, "echo must be a probability"),
            ({"settings": AssociationSettings(stray=np.nan)}, ValueError, "stray must be finite"),
            ({"settings": AssociationSettings(stray="x")}, TypeError, "stray must be a number"),  # type: ignore[arg-type]
            ({"settings": AssociationSettings(reach_sigma_m=0.0)}, ValueError, "reach_sigma_m must lie in"),
            ({"settings": AssociationSettings(bystander_m=np.inf)}, ValueError, "bystander_m must be finite"),
            ({"settings": AssociationSettings(lightest_g=9000.0)}, ValueError, "heaviest_g must be above lightest_g"),
            ({"settings": AssociationSettings(max_units=0)}, ValueError, "max_units must lie in"),
            ({"settings": AssociationSettings(max_units=2**40)}, ValueError, "max_units must lie in"),
            ({"settings": AssociationSettings(max_units=2.0)}, TypeError, "max_units must be"),  # type: ignore[arg-type]
        ],
    )
    def test_options(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            Associator(store(), **options)

    def test_stores(self) -> None:
        with pytest.raises(TypeError, match="store must be a Store; got NoneType"):
            Associator(None)  # type: ignore[arg-type]
        whole = store()
        heavy = Store(whole.fixtures, (Product("moon", mass_g=7e25), Product("sun", mass_g=1e300)), ())
        with pytest.raises(ValueError, match="mass_g of product 'sun'"):
            Associator(heavy)

    def test_what_is_refused_is_refused_by_every_backend(self) -> None:
        def run(delta_g: ArrayLike) -> list[Candidate]:
            return Associator(store()).associate(**(EVENT | {"delta_g": delta_g}))

        for delta_g in ([np.nan, 1], [1e300, 1], [1], "x"):
            with pytest.raises((ValueError, TypeError), match="delta_g"):
                agree(lambda delta_g=delta_g: run(delta_g))
