"""What a simulation of plates alone can be asked for."""

from dataclasses import dataclass

from fusion.simulation.scale_settings import ScaleSettings


@dataclass(frozen=True, slots=True)
class PlateSettings(ScaleSettings):
    """Size of the fixture, how busy it is and what else happens to it.

    The fields of `ScaleSettings`, by name only, say how its scales err; here re-zeroing is on. Samples come in order:
    late and doubled packets are the business of `simulate`. How busy a fixture is
    nobody has published: the rates are those of a well-visited shelf, and the shares make every kind of change common
    enough to be judged.

    Parameters
    ----------
    seed : int
        The same seed gives the same bytes.
    duration_s : float
        Length, seconds, at least 20.
    rate_hz : float
        Samples a second.
    shelves, plates : int
        Shelves of the fixture, plates of a shelf.
    phantoms : int
        Columns at the end of each shelf for plates that do not exist: constant, or pure noise.
    events_per_plate_hour : float
        Changes of weight of a plate; an item that lies on two plates changes both.
    double_share, swap_share : float
        Share of occasions on which a second item follows after 0.3 to 1 s, and on which one thing is taken and another
        returned at once, elsewhere on the fixture.
    hold_share : float
        Share of occasions before which a hand rests on the place for 1 to 12 s.
    misplace_probability : float
        That a return goes to another product's place.
    touches_per_plate_hour, rests_per_plate_hour : float
        Hands that press or push for 0.3 to 1.5 s, and that rest for 1 to 12 s, and change nothing.
    leans_per_hour : float
        Bodies against the fixture.
    walks_per_hour : float
        People who only pass by. Those who touch or move something come and go as well.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of range.
    """

    seed: int = 0
    duration_s: float = 3600.0
    rate_hz: float = 60.0
    shelves: int = 1
    plates: int = 12
    phantoms: int = 0
    events_per_plate_hour: float = 5.0
    double_share: float = 0.15
    swap_share: float = 0.1
    hold_share: float = 0.1
    misplace_probability: float = 0.1
    touches_per_plate_hour: float = 2.0
    rests_per_plate_hour: float = 0.5
    leans_per_hour: float = 6.0
    walks_per_hour: float = 60.0
    rezeros_per_hour: float = 0.25

    def __post_init__(self) -> None:
        ScaleSettings.__post_init__(self)
        if self.double_share + self.swap_share > 1.0:
            raise ValueError(
                f"double_share and swap_share must not exceed 1 together; got {self.double_share} and {self.swap_share}"
            )
