"""What a simulation can be asked for."""

from dataclasses import dataclass, fields

from fusion import validation

_COUNTS = {"seed": 0, "shoppers": 1, "fixtures": 1, "shelves": 1, "plates": 1, "events_per_shopper": 0}
_PROBABILITIES = (
    "return_probability",
    "misplace_probability",
    "touch_probability",
    "joint_dropout",
    "sample_repetition",
    "packet_loss",
    "packet_duplication",
    "packet_reordering",
)


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Size of the store, behaviour of the shoppers and imperfections of the sensors.

    Noise defaults are those of the public NanoStore recording (four gondolas, 60 Hz, one shopper).

    Parameters
    ----------
    seed : int
        The same seed gives the same observations.
    duration_s : float
        Shoppers leave so as to be out by then, seconds, at least 20. The recording lasts longer if the way out was
        blocked for somebody.
    shoppers : int
        How many come.
    fixtures, shelves, plates : int
        Fixtures of the store, shelves of a fixture, plates of a shelf.
    events_per_shopper : int
        How often a shopper handles something, unless the time is too short.
    return_probability : float
        That a shopper who carries something returns part of it next.
    misplace_probability : float
        That a return goes to another product's place.
    touch_probability : float
        That a shopper presses on a plate and takes nothing.
    noise_g : float
        White noise of a plate, standard deviation, grams.
    vibration_g : float
        Structural vibration of a plate one metre above the floor when somebody walks by, typical standard deviation
        within a second, grams.
    sample_repetition : float
        Probability that a converter repeats its last sample.
    joint_noise_m : float
        Error of a joint, standard deviation along each axis, metres.
    joint_dropout : float
        Share of joints not seen.
    targets_delay_s : float
        How long targets take to arrive, seconds.
    packet_loss, packet_duplication, packet_reordering : float
        Probability that a scale packet or a frame of targets is lost, comes twice, or is overtaken by the next.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of range.
    """

    seed: int = 0
    duration_s: float = 60.0
    shoppers: int = 4
    fixtures: int = 3
    shelves: int = 3
    plates: int = 6
    events_per_shopper: int = 6
    return_probability: float = 0.25
    misplace_probability: float = 0.4
    touch_probability: float = 0.15
    noise_g: float = 0.5
    vibration_g: float = 3.0
    sample_repetition: float = 0.1
    joint_noise_m: float = 0.025
    joint_dropout: float = 0.025
    targets_delay_s: float = 2.3
    packet_loss: float = 0.002
    packet_duplication: float = 0.002
    packet_reordering: float = 0.005

    def __post_init__(self) -> None:
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
            if value < least:
                raise ValueError(f"{name} must be at least {least}; got {value}")
        for name in _PROBABILITIES:
            validation.number(name, getattr(self, name), at_least=0.0, at_most=1.0)
        validation.number("duration_s", self.duration_s, at_least=20.0)
        rest = {f.name for f in fields(self)} - set(_COUNTS) - set(_PROBABILITIES) - {"duration_s"}
        for name in sorted(rest):
            validation.number(name, getattr(self, name), at_least=0.0)
