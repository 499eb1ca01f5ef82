"""Confidence that means what it says: curves, fitted on labelled sessions, from raw to calibrated probabilities.

`fusion.learning.fit_confidence` makes them; applying them needs numpy alone.
"""

import hashlib
import itertools
import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fusion import validation
from fusion.errors import RecordingError
from fusion.recordings.recording import read_object

FORMAT = "fusion.confidence/1"
LARGEST = 25.0
"""Largest log-odds of a curve: what lies beyond 1 in 10^11 is no probability that sessions can tell."""
CURVES = ("lines", "doubts", "receipts")


def log_odds(p: float) -> float:
    """Return ``log(p / (1 - p))``, within `LARGEST`."""
    if p <= 0.0:
        return -LARGEST
    return LARGEST if p >= 1.0 else min(max(math.log(p) - math.log1p(-p), -LARGEST), LARGEST)


@dataclass(frozen=True, slots=True)
class Curve:
    """A calibration curve: log-odds to log-odds, linear between knots, constant beyond them, never falling.

    Two knots make temperature scaling (Guo et al. 2017), many make isotonic regression (Zadrozny and Elkan 2002).

    Parameters
    ----------
    raw : tuple of float
        n >= 1 knots, rising, within [-25, 25].
    calibrated : tuple of float
        Their images, not falling, within [-25, 25].

    Raises
    ------
    TypeError, ValueError
        If they are not.
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("raw", "calibrated"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or not value:
                raise TypeError(f"{name} must be a sequence of at least one number; got {value!r}")
            knots = (validation.number(f"each of {name}", k, at_least=-LARGEST, at_most=LARGEST) for k in value)
            object.__setattr__(self, name, tuple(knots))
        if len(self.raw) != len(self.calibrated):
            raise ValueError(f"calibrated must have {len(self.raw)} knots; got {len(self.calibrated)}")
        if any(a >= b for a, b in itertools.pairwise(self.raw)):
            raise ValueError(f"raw must rise; got {self.raw}")
        if any(a > b for a, b in itertools.pairwise(self.calibrated)):
            raise ValueError(f"calibrated must not fall; got {self.calibrated}")

    def __call__(self, p: float) -> float:
        """Return the calibrated probability, strictly between 0 and 1."""
        x = log_odds(p)
        right = bisect_right(self.raw, x)
        if right in (0, len(self.raw)):
            y = self.calibrated[min(right, len(self.raw) - 1)]
        else:
            (a, b), (c, d) = self.raw[right - 1 : right + 1], self.calibrated[right - 1 : right + 1]
            y = min(c + (d - c) * ((x - a) / (b - a)), d)
        return 1.0 / (1.0 + math.exp(-y))


@dataclass(frozen=True, slots=True)
class ConfidenceModel:
    """Curves for receipt lines, for products that may be missing, and for whole receipts; the identity where None.

    Parameters
    ----------
    lines, doubts, receipts : Curve, optional
        For the probability that a line's quantity is right, that a product is rightly absent, that all is right.
    labels : mapping of str to int
        How many lines, doubts and receipts with known truth each was fitted on.
    sessions : int
        On how many sessions.
    method : str
        How; for people.
    version : str
        Of the engine whose confidences they were.
    settings : str
        `fingerprint` of its settings; a model does not hold for an engine with others.
    """

    lines: Curve | None = None
    doubts: Curve | None = None
    receipts: Curve | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    sessions: int = 0
    method: str = "identity"
    version: str = ""
    settings: str = ""

    def line(self, quantity: int, quantities: Mapping[int, float]) -> dict[int, float]:
        """Calibrate the probabilities of a product's quantities, of which `quantity` is told.

        Its own probability follows the curve; the others share what is left as before, or, where there are none, it
        is the likeliest mistake's: that the product was not taken or, if it is not told, that one was.
        """
        curve = self.lines if quantity else self.doubts
        if curve is None:
            return dict(quantities)
        sure = curve(quantities[quantity])
        others = {q: p for q, p in quantities.items() if q != quantity}
        total = math.fsum(others.values())
        if total > 0.0:
            left = {q: (1.0 - sure) * (p / total) for q, p in others.items()}
        else:
            left = {0 if quantity else 1: 1.0 - sure}
        return {quantity: sure} | left

    def receipt(self, p: float) -> float:
        """Calibrate the probability that a whole receipt is right."""
        return p if self.receipts is None else self.receipts(p)

    def save(self, path: Path | str) -> None:
        """Write the model as a JSON document; `load` reads it.

        Raises
        ------
        RecordingError
            If it cannot be written.
        """
        document = {"format": FORMAT, **asdict(self)}
        try:
            Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise RecordingError(path, f"cannot be written: {error}") from error

    @classmethod
    def load(cls, path: Path | str) -> "ConfidenceModel":
        """Read what `save` wrote.

        Raises
        ------
        RecordingError
            If the file is missing, of another format, or a field is missing or refused.
        """
        path = Path(path)
        document = read_object(path)
        if document.get("format") != FORMAT:
            raise RecordingError(path, f"must be {FORMAT!r}; got {document.get('format')!r}", field="format")
        try:
            labels = {name: _count(name, n) for name, n in document["labels"].items()}
            lines, doubts, receipts = (_curve(document[name]) for name in CURVES)
            sessions = _count("sessions", document["sessions"])
            about = (validation.instance(name, document[name], str) for name in ("method", "version", "settings"))
            return cls(lines, doubts, receipts, labels, sessions, *about)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RecordingError(path, f"is no confidence model: {error!r}") from error


def fingerprint(settings: Any) -> str:
    """Return a short name of settings: equal settings have equal names."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def _curve(document: Any) -> Curve | None:
    return None if document is None else Curve(document["raw"], document["calibrated"])


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be an integer of at least 0; got {value!r}")
    return value
