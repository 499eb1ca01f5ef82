"""What a body tracker reports: frames of joints at about 15 Hz, with noise and dropouts."""

import numpy as np
from numpy.typing import NDArray

from fusion.observations import Targets
from fusion.simulation.actions import Visit
from fusion.simulation.body import joints_m
from fusion.simulation.clock import epoch_ns
from fusion.simulation.paths import Array
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.wander import autoregressive

RATE_HZ = 15.0
JITTER_S = 0.015
WANDER_S = 0.4  # correlation time of a joint's error: in the public recording errors are smooth ...
WHITE = 0.25  # ... with 4-8 mm of white noise, this share of the whole
DROPOUT_FRAMES = 3.0  # mean length of a dropout: what hides a joint hides it for some frames


def target_frames(
    settings: SimulationSettings, visits: list[Visit], end_s: float, rng: np.random.Generator
) -> list[Targets]:
    """Observe all shoppers from the start to `end_s`; frames without shoppers included."""
    times = np.arange(0.0, end_s, 1.0 / RATE_HZ)
    times += rng.uniform(-JITTER_S, JITTER_S, len(times)) + JITTER_S
    joints = np.stack([joints_m(visit, times) for visit in visits], axis=1)
    joints += _errors_m(settings.joint_noise_m, joints.shape, rng)
    scores = rng.beta(8.0, 2.0, joints.shape[:3])
    hidden = _hidden(settings.joint_dropout, joints.shape[:3], rng)
    inside = np.asarray(~np.isnan(joints[:, :, 0, 0]), dtype=np.bool_)
    joints[hidden] = np.nan
    scores[hidden] = np.nan
    return [
        Targets(
            epoch_ns(time),
            tuple(visit.shopper for visit, present in zip(visits, inside[k], strict=True) if present),
            joints[k, inside[k]],
            scores[k, inside[k]],
        )
        for k, time in enumerate(times)
    ]


def _errors_m(sigma_m: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw errors (frames, S, 8, 3): a first-order autoregression and white noise, together of `sigma_m`."""
    keep = np.exp(-1.0 / (RATE_HZ * WANDER_S))
    steps = rng.normal(0.0, sigma_m * np.sqrt((1 - WHITE**2) * (1 - keep**2)), shape)
    return np.asarray(autoregressive(steps, keep) + rng.normal(0.0, sigma_m * WHITE, shape))


def _hidden(share: float, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose hidden joints (frames, S, 8): a two-state Markov chain that hides `share` of them."""
    if share == 0.0:
        return np.zeros(shape, dtype=np.bool_)
    # Shares above 3/4 need longer dropouts: a joint that is seen then vanishes in the next frame.
    vanish = 1.0 if share > DROPOUT_FRAMES * (1 - share) else share / (1 - share) / DROPOUT_FRAMES
    appear = vanish * (1 - share) / share
    draw = rng.random(shape)
    hidden = np.empty(shape, dtype=np.bool_)
    hidden[0] = draw[0] < share
    for k in range(1, shape[0]):
        hidden[k] = np.where(hidden[k - 1], draw[k] >= appear, draw[k] < vanish)
    return hidden
