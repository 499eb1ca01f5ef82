"""What sensors say: typed, time-stamped batches. Times are int64 nanoseconds since the Unix epoch.

Numbers that a sensor may get wrong (NaN, infinity, any size) are accepted here and become health entries later; what
a program gets wrong (shapes, types, negative times) is refused.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion import validation

NS = 1_000_000_000
"""Nanoseconds of a second."""
JOINTS = ("head", "neck", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist")
"""The joints of a target or of a detected person, in the order of the arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class ScalePacket:
    """Samples of all plates of one fixture.

    Parameters
    ----------
    fixture : str
        The fixture.
    sample_ns : (n,) int64
        When each sample was taken; n is at least 1.
    grams : (n, P) float32
        Readings; columns in the order of ``Fixture.plates``. Only differences mean anything; NaN where missing.
    """

    fixture: str
    sample_ns: NDArray[np.int64]
    grams: NDArray[np.float32]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        validation.identifier("fixture", self.fixture)
        set_(self, "sample_ns", validation.times_ns("sample_ns", self.sample_ns))
        if not len(self.sample_ns):
            raise ValueError("sample_ns must not be empty")
        set_(self, "grams", validation.array("grams", self.grams, np.float32, (len(self.sample_ns), None)))

    @property
    def time_ns(self) -> int:
        """When the last sample was taken."""
        return int(self.sample_ns.max())


@dataclass(frozen=True, slots=True)
class DeviceEvents:
    """Records of a shelf controller that does the segmentation itself, in place of its grams.

    Parameters
    ----------
    fixture : str
        The fixture; one sends either this or `ScalePacket`.
    time_ns : int
        When the records came in, by a clock that the other observations share.
    data : bytes
        Whole records in the layout of ``ext/firmware/README.md``; what is damaged is passed over and counted.
    """

    fixture: str
    time_ns: int
    data: bytes

    def __post_init__(self) -> None:
        validation.identifier("fixture", self.fixture)
        object.__setattr__(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        if not isinstance(self.data, bytes):
            raise TypeError(f"data must be bytes; got {type(self.data).__name__}")


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """3-D joints of the shoppers at one instant, by whatever follows them.

    Parameters
    ----------
    time_ns : int
        The instant.
    shoppers : tuple of str
        S opaque ids.
    joints_m : (S, 8, 3) float64
        World coordinates of `JOINTS`, metres; NaN where not seen.
    scores : (S, 8) float64
        Confidence of each joint in [0, 1]; NaN where not seen.
    """

    time_ns: int
    shoppers: tuple[str, ...]
    joints_m: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        set_(self, "shoppers", _names("shopper", self.shoppers))
        validation.unique("shoppers of one instant", self.shoppers)
        n, j = len(self.shoppers), len(JOINTS)
        set_(self, "joints_m", validation.array("joints_m", self.joints_m, np.float64, (n, j, 3)))
        set_(self, "scores", validation.array("scores", self.scores, np.float64, (n, j)))


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """2-D joints of the persons that one camera saw at one instant.

    Parameters
    ----------
    camera : str
        The camera.
    time_ns : int
        The instant.
    px : (N, 8, 2) float64
        Pixels of `JOINTS` for N persons in any order; NaN where not seen.
    sigma_px : (N, 8) float64
        Standard deviation of each, pixels; NaN where not seen.
    """

    camera: str
    time_ns: int
    px: NDArray[np.float64]
    sigma_px: NDArray[np.float64]

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        validation.identifier("camera", self.camera)
        set_(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        set_(self, "px", validation.array("px", self.px, np.float64, (None, len(JOINTS), 2)))
        set_(self, "sigma_px", validation.array("sigma_px", self.sigma_px, np.float64, self.px.shape[:2]))


@dataclass(frozen=True, slots=True, eq=False)
class ItemScores:
    """A vision model's opinion on which product was in a shopper's hand, or at a place.

    Parameters
    ----------
    time_ns : int
        When.
    products : tuple of str
        C products.
    probabilities : (C,) float64
        The model's probability of each, in [0, 1]; what is missing to 1 belongs to all others.
    shopper : str, optional
        In whose hand; either this or `place_m` is given.
    place_m : (3,) float64, optional
        Where in the world, metres.
    """

    time_ns: int
    products: tuple[str, ...]
    probabilities: NDArray[np.float64]
    shopper: str | None = None
    place_m: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        set_(self, "products", _names("product", self.products))
        validation.unique("products", self.products)
        p = validation.array("probabilities", self.probabilities, np.float64, (len(self.products),), finite=True)
        if not ((p >= 0) & (p <= 1)).all() or p.sum() > 1 + 1e-9:
            raise ValueError(f"probabilities must not be negative and sum to at most 1; got {p.tolist()}")
        set_(self, "probabilities", p)
        if (self.shopper is None) == (self.place_m is None):
            raise ValueError("exactly one of shopper and place_m must be given")
        if self.shopper is not None:
            validation.identifier("shopper", self.shopper)
        else:
            assert self.place_m is not None
            set_(self, "place_m", validation.array("place_m", self.place_m, np.float64, (3,), finite=True))


@dataclass(frozen=True, slots=True)
class TagReads:
    """Tags (RFID, electronic labels) that one antenna read at one instant; ``tags`` maps to products by the store."""

    time_ns: int
    antenna: str
    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        validation.identifier("antenna", self.antenna)
        object.__setattr__(self, "tags", _names("tag", self.tags))


@dataclass(frozen=True, slots=True)
class GateEvent:
    """Somebody came in or went out.

    Parameters
    ----------
    time_ns : int
        When.
    shopper : str
        Who.
    kind : {"enter", "exit"}
        Which way.
    role : {"shopper", "staff"}
        Staff re-stock; nothing of theirs is charged.
    account : str, optional
        Who pays: what shoppers of one account carry out is one receipt. By default everybody pays for himself.
    """

    time_ns: int
    shopper: str
    kind: Literal["enter", "exit"]
    role: Literal["shopper", "staff"] = "shopper"
    account: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_ns", validation.time_ns("time_ns", self.time_ns))
        validation.identifier("shopper", self.shopper)
        if not isinstance(self.kind, str) or self.kind not in ("enter", "exit"):
            raise ValueError(f"kind must be 'enter' or 'exit'; got {self.kind!r}")
        if not isinstance(self.role, str) or self.role not in ("shopper", "staff"):
            raise ValueError(f"role must be 'shopper' or 'staff'; got {self.role!r}")
        if self.account is not None:
            validation.identifier("account", self.account)


Observation = ScalePacket | DeviceEvents | Targets | Keypoints | ItemScores | TagReads | GateEvent
"""Any of the batches above."""


def _names(kind: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(validation.identifier(kind, value) for value in validation.instances(f"{kind}s", values, str))
