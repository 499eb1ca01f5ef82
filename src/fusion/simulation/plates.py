"""Plates without shoppers' bodies: an hour of one fixture with its truth, to judge segmentation alone."""

from collections.abc import Iterable
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.clock import START_NS, epoch_ns
from fusion.simulation.converters import QUANTUM_G, Readings, read
from fusion.simulation.forces import LEAN_G, add_lean, add_press, add_step, crosstalk_matrix
from fusion.simulation.paths import Array
from fusion.simulation.plate_script import Lot, Script, write_script
from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.plate_shaking import Shaking, shaking
from fusion.simulation.plate_truth import Change, Nuisance, NuisanceKind, PlateSimulation
from fusion.simulation.scales import SAMPLES
from fusion.simulation.store import HIGHEST_M, LOWEST_M

PHANTOM_SPREAD_G = 3.0  # of an input without a cell, if it is not stuck: the recording has both
PARTS = ("script", "shaking", "forces", "converters", "network")


def simulate_plates(settings: PlateSettings | None = None) -> PlateSimulation:
    """Simulate the plates of one fixture, with everything that disturbs them, and tell what really happened.

    For more than one fixture-hour, loop over seeds: an hour of twelve plates takes well below a second and 25 MB. The
    same settings give the same bytes with the same numpy on the same kind of processor.

    Parameters
    ----------
    settings : PlateSettings, optional
        Size, business and faults; the defaults otherwise.

    Examples
    --------
    >>> simulation = simulate_plates(PlateSettings(seed=1, duration_s=60.0))
    >>> simulation.grams.shape
    (3600, 12)
    """
    settings = settings or PlateSettings()
    # Each part draws from a generator of its own: another noise leaves the script as it was.
    seeds = np.random.SeedSequence(settings.seed).spawn(len(PARTS))
    rng = {part: np.random.Generator(np.random.PCG64(seed)) for part, seed in zip(PARTS, seeds, strict=True)}
    times_s = np.arange(int(settings.duration_s * settings.rate_hz)) / settings.rate_hz
    per_shelf = settings.plates + settings.phantoms
    groups = np.repeat(np.arange(settings.shelves, dtype=np.int32), per_shelf)
    heights_m = np.linspace(LOWEST_M, HIGHEST_M, settings.shelves) if settings.shelves > 1 else np.ones(1)
    script = write_script(settings, rng["script"])
    shaken = shaking(settings, script, groups, heights_m[groups], times_s, rng["shaking"])
    crosstalk = crosstalk_matrix(groups, settings.crosstalk, rng["forces"])
    count = rng["converters"].poisson(settings.rezeros_per_hour * settings.duration_s / 3600.0)
    rezeros = np.sort(rng["converters"].integers(1, len(times_s), count))

    changes: list[Change] = []
    nuisances = _shaken(shaken, len(groups))
    nuisances += [_nuisance("rezero", times_s[k], times_s[k], range(len(groups))) for k in rezeros]
    readings = []
    for shelf in range(settings.shelves):  # one after the other: their forces are the largest arrays
        columns = slice(shelf * per_shelf, (shelf + 1) * per_shelf)
        forces = np.zeros((len(times_s), per_shelf))
        changes += _move(settings, script, shelf, forces, times_s, nuisances, rng["forces"])
        _press(script, shelf, forces, times_s, nuisances, rng["forces"])
        _lean(settings, script, shelf, forces, times_s, nuisances, rng["forces"])
        forces += forces @ crosstalk[columns, columns]
        vibration = shaken.motion @ shaken.shape[:, columns]
        opening_g = script.opening_g[columns]
        told = read(settings, times_s, forces, vibration, opening_g, rezeros, rng["converters"])
        _disconnect(told, settings.plates, rng["converters"])
        first = columns.start
        nuisances += [_nuisance("glitch", times_s[k], times_s[k], [first + i], [g]) for k, i, g in told.glitches]
        readings.append(told)

    phantom = np.arange(len(groups)) % per_shelf >= settings.plates
    nuisances = [n for n in nuisances if n.kind != "glitch" or not phantom[n.plates[0]]]
    arrived = _arrived(settings, len(times_s), rng["network"])
    return PlateSimulation(
        settings=settings,
        rate_hz=settings.rate_hz,
        groups=groups,
        facings=script.facings,
        sample_ns=_sample_ns(times_s)[arrived],
        grams=np.concatenate([r.grams for r in readings], axis=1)[arrived],
        noise_g=np.concatenate([r.noise_g for r in readings], axis=1)[arrived],
        changes=tuple(sorted(changes, key=attrgetter("time_ns"))),
        nuisances=tuple(sorted(nuisances, key=attrgetter("start_ns"))),
        opening_g=script.opening_g,
        gain=np.concatenate([r.gain for r in readings]),
        white_g=np.concatenate([r.white_g for r in readings]),
        crosstalk=crosstalk,
        phantom=phantom,
    )


def _move(
    settings: PlateSettings,
    script: Script,
    shelf: int,
    forces: Array,
    times_s: Array,
    nuisances: list[Nuisance],
    rng: np.random.Generator,
) -> list[Change]:
    """Act out what is taken from a shelf and put there; hands that rest before become nuisances."""
    changes = []
    first = shelf * forces.shape[1]
    for move in script.moves:
        columns, loads = _local(move.lot, first, forces)
        if not columns:
            continue
        start_s, end_s = add_step(forces, times_s, move.time_s, columns, loads, settings.creep, rng)
        time_ns, start_ns, end_ns = (epoch_ns(time) for time in (move.time_s, start_s, end_s))
        changes.append(Change(time_ns, start_ns, end_ns, move.lot.columns, tuple(loads.tolist())))
        if move.hold_s > 0.0:
            held = move.hold_g * np.abs(loads) / np.abs(loads).sum()
            down_s = start_s - move.hold_s
            add_press(forces, times_s, down_s, start_s, columns, held, rng)
            nuisances.append(_nuisance("hold", down_s, start_s, move.lot.columns, held))
    return changes


def _press(
    script: Script, shelf: int, forces: Array, times_s: Array, nuisances: list[Nuisance], rng: np.random.Generator
) -> None:
    for press in script.presses:
        columns, loads = _local(press.lot, shelf * forces.shape[1], forces)
        if columns:
            add_press(forces, times_s, press.start_s, press.end_s, columns, loads, rng)
            nuisances.append(_nuisance(press.kind, press.start_s, press.end_s, press.lot.columns, loads))


def _lean(
    settings: PlateSettings,
    script: Script,
    shelf: int,
    forces: Array,
    times_s: Array,
    nuisances: list[Nuisance],
    rng: np.random.Generator,
) -> None:
    first = shelf * forces.shape[1]
    for start_s, end_s, leaned_on in script.leans:
        if leaned_on == shelf:
            columns = range(settings.plates)
            profile = add_lean(forces, times_s, start_s, end_s, columns, rng.uniform(*LEAN_G), rng)
            nuisances.append(_nuisance("lean", start_s, end_s, range(first, first + settings.plates), profile))


def _local(lot: Lot, first: int, forces: Array) -> tuple[list[int], Array]:
    """Translate a lot to a shelf's own columns; none if it lies on another shelf."""
    columns = [column - first for column in lot.columns]
    return (columns, lot.grams) if 0 <= columns[0] < forces.shape[1] else ([], lot.grams)


def _nuisance(
    kind: NuisanceKind, start_s: float, end_s: float, plates: Iterable[int], force_g: Iterable[float] | None = None
) -> Nuisance:
    told = tuple(plates)
    forces = (np.nan,) * len(told) if force_g is None else tuple(float(g) for g in force_g)
    return Nuisance(kind, epoch_ns(start_s), epoch_ns(end_s), told, forces)


def _shaken(shaken: Shaking, columns: int) -> list[Nuisance]:
    walks = [_nuisance("walk", start_s, end_s, range(columns)) for start_s, end_s in shaken.walks_s]
    bursts = [
        _nuisance("burst", start, end, range(columns), [sigma] * columns) for start, end, sigma in shaken.bursts_s
    ]
    return walks + bursts


def _disconnect(told: Readings, plates: int, rng: np.random.Generator) -> None:
    """Let columns without a plate be stuck or noisy, in place."""
    n, columns = told.grams.shape
    for column in range(plates, columns):
        spread = PHANTOM_SPREAD_G * rng.uniform() * (rng.random() < 0.5)
        noise = QUANTUM_G * np.rint(spread * rng.standard_normal(n) / QUANTUM_G)
        told.grams[:, column] = told.grams[0, column] + noise
        told.noise_g[:, column] = noise


def _arrived(settings: PlateSettings, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the samples (n,) whose packets are not lost."""
    return np.asarray(np.repeat(rng.random(-(-n // SAMPLES)) >= settings.packet_loss, SAMPLES)[:n])


def _sample_ns(times_s: Array) -> NDArray[np.int64]:
    return np.asarray(START_NS + np.rint(1e9 * times_s).astype(np.int64))
