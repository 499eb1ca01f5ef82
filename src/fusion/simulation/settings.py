"""What a simulation can be asked for."""

from dataclasses import dataclass

from fusion.simulation.scale_settings import ScaleSettings


@dataclass(frozen=True, slots=True)
class SimulationSettings(ScaleSettings):
    """Size of the store, behaviour of the shoppers and imperfections of the sensors.

    Noise defaults are those of the public NanoStore recording (four gondolas, 60 Hz, one shopper). The fields of
    `ScaleSettings`, by name only, say how the scales err. Cameras are off by default; what they see is reported as
    keypoints by a detector that errs as real ones do (5-15 px in images of 1920 x 1080), at rates wide enough to test a
    tracker where nobody has published them.

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
    walls : int
        Fixtures stand along this many walls of the aisle, 1 or 2.
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
    company_m : float
        Shoppers go where everybody has somebody else within this distance, metres; 0 where they do not care.
    joint_noise_m : float
        Error of a joint, standard deviation along each axis, metres.
    joint_dropout : float
        Share of joints not seen.
    targets_delay_s : float
        How long targets take to arrive, seconds.
    packet_duplication, packet_reordering, packet_lateness : float
        Probability that a scale packet or a frame of targets comes twice, is overtaken by the next, or is stuck for
        0.5 to 10 s. `packet_loss` is theirs, too. All of it applies to frames of keypoints as well.
    by_weight_share : float
        Share of products that are sold by weight: their units are portions of any weight.
    vision_accuracy : float
        How often a vision model that sees what shoppers take and return names the right product, its most probable
        one; 0 where there is none. Its probabilities are calibrated.
    tag_detection, false_tag_probability : float
        That an antenna at the gate reads the tag of a unit that is carried out, and that it reads one from a shelf,
        besides, when somebody leaves. There are tags if the first is above 0.
    targets : bool
        Whether the body tracker's 3-D targets are reported.
    cameras : int
        How many cameras hang at even distances around the aisle. They report keypoints.
    image_width_px, image_height_px : int
        Size of their images, pixels.
    camera_fov_deg : float
        Their field of view, across the wider side of the image, degrees in [20, 160]. NanoStore's lenses have 64 to 80.
    ceiling_m : float
        Height at which they hang, metres, at least 2.2. NanoStore's hang at 2.4 to 2.5 m.
    fisheye_probability : float
        That a camera has a fisheye lens; the others are pinholes with Brown's distortion.
    camera_rate_hz : float
        Their frames a second, on a quartz of each camera's own, in [1, 120].
    clock_offset_s : float
        What a camera's time stamps are off, at most, either way, seconds, at most 1. Network time in a local network
        keeps to some milliseconds; buffers and exposure add up to 100 ms that nobody accounts for.
    keypoint_noise_px : float
        Error of a keypoint that is well seen from up to 3 m, standard deviation in x and in y, pixels. From farther off
        it grows with the root of the distance, and by half where the joint is hidden.
    keypoint_dropout, occluded_dropout : float
        Share of keypoints that are missed though the joint is in sight, and though it is in view but hidden by a body
        or a fixture. Of whom less than three joints are in sight nothing is told.
    person_dropout : float
        Share of persons missed as a whole.
    false_persons_per_camera_hour : float
        Persons that are none, for 0.1 to 1.5 s: posters, reflections, coats.
    limb_swap_probability, merge_probability : float
        That two persons of whom one crosses the other's image have an arm exchanged, or come as one.
    keypoints_delay_s : float
        How long keypoints take to arrive, seconds.

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
    walls: int = 2
    events_per_shopper: int = 6
    return_probability: float = 0.25
    misplace_probability: float = 0.4
    touch_probability: float = 0.15
    hold_probability: float = 0.05
    lean_probability: float = 0.05
    company_m: float = 0.0
    joint_noise_m: float = 0.025
    joint_dropout: float = 0.025
    targets_delay_s: float = 2.3
    packet_duplication: float = 0.002
    packet_reordering: float = 0.005
    packet_lateness: float = 0.0
    by_weight_share: float = 0.0
    vision_accuracy: float = 0.0
    tag_detection: float = 0.0
    false_tag_probability: float = 0.02
    targets: bool = True
    cameras: int = 0
    image_width_px: int = 1920
    image_height_px: int = 1080
    camera_fov_deg: float = 100.0
    ceiling_m: float = 2.5
    fisheye_probability: float = 0.0
    camera_rate_hz: float = 20.0
    clock_offset_s: float = 0.1
    keypoint_noise_px: float = 8.0
    keypoint_dropout: float = 0.03
    occluded_dropout: float = 0.6
    person_dropout: float = 0.02
    false_persons_per_camera_hour: float = 60.0
    limb_swap_probability: float = 0.1
    merge_probability: float = 0.1
    keypoints_delay_s: float = 0.15
