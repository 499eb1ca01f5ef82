"""What a simulation can be asked for."""

from dataclasses import dataclass

from fusion.simulation.scale_settings import ScaleSettings


@dataclass(frozen=True, slots=True)
class SimulationSettings(ScaleSettings):
    """Size of the store, behaviour of the shoppers and imperfections of the sensors.

    Noise defaults are those of the public NanoStore recording (four gondolas, 60 Hz, one shopper). The fields of
    `ScaleSettings`, by name only, say how the scales err.

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
    hold_probability : float
        That a hand rests on the place for 1 to 12 s before it takes, returns or lets go.
    lean_probability : float
        That a shopper leans on the shelf while reaching into it.
    joint_noise_m : float
        Error of a joint, standard deviation along each axis, metres.
    joint_dropout : float
        Share of joints not seen.
    targets_delay_s : float
        How long targets take to arrive, seconds.
    packet_duplication, packet_reordering, packet_lateness : float
        Probability that a scale packet or a frame of targets comes twice, is overtaken by the next, or is stuck for
        0.5 to 10 s. `packet_loss` is theirs, too.

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
    hold_probability: float = 0.05
    lean_probability: float = 0.05
    joint_noise_m: float = 0.025
    joint_dropout: float = 0.025
    targets_delay_s: float = 2.3
    packet_duplication: float = 0.002
    packet_reordering: float = 0.005
    packet_lateness: float = 0.0
