"""What all simulated scales have in common: how they are shaken, how they err and what gets lost."""

from dataclasses import dataclass, fields
from typing import Any

from fusion import validation


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSettings:
    """Imperfections of plates and fixtures.

    Defaults are those of the public NanoStore recording (four gondolas, 60 Hz) where it shows the effect, and of
    ordinary load cells where it is too short for it; faults that an operator would notice are off.

    Parameters
    ----------
    noise_g : float
        White noise, standard deviation of the median plate, grams; plates differ.
    vibration_g : float
        Structural vibration of a plate one metre above the floor when somebody walks by, typical standard deviation
        within a second, grams.
    burst_g : float
        Vibration of a shelf's sum in the strongest burst, standard deviation, grams; a burst lasts 2 to 5 s.
    bursts_per_hour : float
        Bursts of a fixture.
    crosstalk : float
        Typical share of a load that the plates beside it show besides, for as long as the load lies there.
    creep : float
        Typical share of a load that follows within a minute.
    span_error : float
        Standard deviation of the plates' gains.
    drift_g : float
        Random walk of a plate, standard deviation after a minute, grams.
    thermal_g : float
        Drift of a plate with the air's temperature, to and fro in 10 to 30 min, standard deviation over plates, grams.
    capacity_g : float
        Load at which a plate saturates, grams.
    glitches_per_plate_hour : float
        Single samples that are off by 30 to 270 g.
    rezeros_per_hour : float
        How often a controller tares its fixture: all readings jump to about zero, though nothing moved.
    sample_repetition : float
        Probability that a converter, which serves two plates, repeats its last sample. In the recording 0.064, judged
        by how often both plates repeat at once; readings that are equal by chance make 9 to 14 % of it.
    sample_loss : float
        Probability that a plate's reading is missing (NaN).
    packet_loss : float
        Probability that a packet of twelve samples is lost.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of range.
    """

    noise_g: float = 0.7
    vibration_g: float = 3.0
    burst_g: float = 80.0
    bursts_per_hour: float = 20.0
    crosstalk: float = 0.015
    creep: float = 0.0005
    span_error: float = 0.0025
    drift_g: float = 0.5
    thermal_g: float = 0.4
    capacity_g: float = 20_000.0
    glitches_per_plate_hour: float = 2.0
    rezeros_per_hour: float = 0.0
    sample_repetition: float = 0.064
    sample_loss: float = 0.0
    packet_loss: float = 0.002

    def __post_init__(self) -> None:
        check(self)


COUNTS = {
    "seed": 0,
    "shoppers": 1,
    "fixtures": 1,
    "shelves": 1,
    "plates": 1,
    "walls": 1,
    "events_per_shopper": 0,
    "phantoms": 0,
}
COUNTS |= {"cameras": 0, "image_width_px": 16, "image_height_px": 16}
"""Integers, and the least that they may be."""
FLAGS = ("targets",)
BOUNDS = {"crosstalk": 0.1, "creep": 0.1, "span_error": 0.1}
BOUNDS |= {"walls": 2, "camera_rate_hz": 120.0, "clock_offset_s": 1.0, "ceiling_m": 10.0}
"""The most that a number of this name may be. Beyond a tenth, a plate is no scale."""
LEAST = {"duration_s": 20.0, "rate_hz": 1.0, "capacity_g": 1.0}
LEAST |= {"camera_rate_hz": 1.0, "camera_fov_deg": 20.0, "ceiling_m": 2.2}
"""Numbers that are not merely not negative, and the least that they may be."""
MOST = {"hour": 36_000.0, "g": 1e6, "px": 1e3, "deg": 160.0}
"""By the last word: ten times a second, a ton, a part of the image, a lens; beyond it, something else was meant."""
PROBABILITIES = frozenset(
    ["probability", "share", "loss", "repetition", "duplication", "reordering", "lateness", "dropout"]
)
PROBABILITIES |= {"accuracy", "detection"}


def check(settings: Any) -> None:
    """Refuse values of the wrong kind or out of range; names tell what a field is."""
    for name in (f.name for f in fields(settings)):
        value = getattr(settings, name)
        if name in COUNTS:
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
            if value < COUNTS[name]:
                raise ValueError(f"{name} must be at least {COUNTS[name]}; got {value}")
            if value > BOUNDS.get(name, value):
                raise ValueError(f"{name} must be at most {BOUNDS[name]}; got {value}")
        elif name in FLAGS:
            validation.instance(name, value, bool)
        else:
            kind = name.rpartition("_")[2]
            most = BOUNDS[name] if name in BOUNDS else MOST.get(kind, 1.0 if kind in PROBABILITIES else float("inf"))
            validation.number(name, value, at_least=LEAST.get(name, 0.0), at_most=most)
