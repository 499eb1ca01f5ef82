"""Plates without shoppers' bodies: an hour of one fixture with its truth, to judge segmentation alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.clock import START_NS, epoch_ns
from fusion.simulation.converters import QUANTUM_G, TARE_G, Readings, read
from fusion.simulation.forces import LEAN_G, add_lean, add_press, add_step, crosstalk_matrix
from fusion.simulation.paths import Array
from fusion.simulation.plate_script import Lot, Move, Script, write_script
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
        Size, activity and faults; the defaults otherwise.

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
    rezeros = _rezeros(settings, len(times_s), rng["converters"])
    arrived = _arrived(settings, len(times_s), rng["network"])

    changes, nuisances, readings = [], _shaken(shaken, len(groups)), []
    nuisances += [_nuisance("rezero", times_s[k], times_s[k], range(len(groups))) for k in rezeros]
    for shelf in range(settings.shelves):  # one after the other: their forces are the largest arrays
        columns = slice(shelf * per_shelf, (shelf + 1) * per_shelf)
        acted = _Shelf(columns.start, times_s, np.zeros((len(times_s), per_shelf)), rng["forces"])
        acted.act(settings, script, shelf)
        acted.forces += acted.forces @ crosstalk[columns, columns]
        vibration, opening_g = shaken.motion @ shaken.shape[:, columns], script.opening_g[columns]
        told = read(settings, times_s, acted.forces, vibration, opening_g, rezeros, rng["converters"])
        _disconnect(told, settings.plates, rng["converters"])
        changes += acted.changes
        nuisances += acted.nuisances
        for k, column, size_g in told.glitches:
            if arrived[k] and column < settings.plates:
                nuisances.append(_nuisance("glitch", times_s[k], times_s[k], [columns.start + column], [size_g]))
        readings.append(told)

    return PlateSimulation(
        settings=settings,
        rate_hz=settings.rate_hz,
        groups=groups,
        facings=script.facings,
        sample_ns=START_NS + np.rint(1e9 * times_s[arrived]).astype(np.int64),
        grams=np.concatenate([r.grams for r in readings], axis=1)[arrived],
        noise_g=np.concatenate([r.noise_g for r in readings], axis=1)[arrived],
        changes=tuple(sorted(changes, key=attrgetter("time_ns"))),
        nuisances=tuple(sorted(nuisances, key=attrgetter("start_ns"))),
        opening_g=script.opening_g,
        gain=np.concatenate([r.gain for r in readings]),
        white_g=np.concatenate([r.white_g for r in readings]),
        crosstalk=crosstalk,
        phantom=np.arange(len(groups)) % per_shelf >= settings.plates,
    )


@dataclass(slots=True, eq=False)
class _Shelf:
    """One shelf, whose columns begin at `first` of the fixture's, as the script is acted out on it."""

    first: int
    times_s: Array
    forces: Array
    rng: np.random.Generator
    changes: list[Change] = field(default_factory=list)
    nuisances: list[Nuisance] = field(default_factory=list)

    def act(self, settings: PlateSettings, script: Script, shelf: int) -> None:
        for move in script.moves:
            if self._bears(move.lot):
                self._move(move, settings.creep)
        for press in script.presses:
            if self._bears(press.lot):
                self._press(press.kind, press.start_s, press.end_s, press.lot)
        for start_s, end_s, leaned_on in script.leans:
            if leaned_on == shelf:
                self._lean(start_s, end_s, settings.plates)

    def _bears(self, lot: Lot) -> bool:
        return self.first <= lot.columns[0] < self.first + int(self.forces.shape[1])

    def _own(self, lot: Lot) -> list[int]:
        return [column - self.first for column in lot.columns]

    def _move(self, move: Move, creep: float) -> None:
        lot = move.lot
        start_s, end_s = add_step(self.forces, self.times_s, move.time_s, self._own(lot), lot.grams, creep, self.rng)
        time_ns, start_ns, end_ns = (epoch_ns(time) for time in (move.time_s, start_s, end_s))
        self.changes.append(Change(time_ns, start_ns, end_ns, lot.columns, tuple(lot.grams.tolist())))
        if move.hold_s > 0.0:  # the hand lets go while it lifts or when it has put down
            share = np.abs(lot.grams) / np.abs(lot.grams).sum()
            self._press("hold", start_s - move.hold_s, end_s, Lot(lot.columns, move.hold_g * share))

    def _press(self, kind: NuisanceKind, start_s: float, end_s: float, lot: Lot) -> None:
        add_press(self.forces, self.times_s, start_s, end_s, self._own(lot), lot.grams, self.rng)
        self.nuisances.append(_nuisance(kind, start_s, end_s, lot.columns, lot.grams))

    def _lean(self, start_s: float, end_s: float, plates: int) -> None:
        peak_g = self.rng.uniform(*LEAN_G)
        profile_g = add_lean(self.forces, self.times_s, start_s, end_s, range(plates), peak_g, self.rng)
        self.nuisances.append(_nuisance("lean", start_s, end_s, range(self.first, self.first + plates), profile_g))


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
        told.grams[:, column] = QUANTUM_G * np.rint(rng.uniform(*TARE_G) / QUANTUM_G) + noise
        told.noise_g[:, column] = noise


def _arrived(settings: PlateSettings, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the samples (n,) whose packets are not lost."""
    return np.asarray(np.repeat(rng.random(-(-n // SAMPLES)) >= settings.packet_loss, SAMPLES)[:n])


def _rezeros(settings: PlateSettings, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose the samples at which the fixture is tared."""
    return np.sort(rng.integers(1, n, rng.poisson(settings.rezeros_per_hour * settings.duration_s / 3600.0)))
