"""Offline segmentation: the O(n^2) dynamic programme, statistics, hostile input, backends, long signals."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Segmentation, segment, use_backend
from fusion.backends import kernels

Array = NDArray[np.float64]
RATE = 60.0


def kernel(y: Array, w: Array | None, penalty: float, bound: float, backend: str = "native") -> tuple[Any, ...]:
    """Starts, levels, weights within the bound and losses of the segments."""
    with use_backend(backend), np.errstate(all="ignore"):
        return tuple(kernels("changepoints").segment(y, np.empty(0) if w is None else w, penalty, bound))


def segment_costs(y: Array, w: Array, bound: float) -> tuple[Array, Array]:
    """Cost and best level of every segment (first sample, last sample), without any recursion.

    The loss is the least over all choices of the samples within the bound of their squares, plus the bound's square for
    the others; what is within a level's bound changes only at y - bound and y + bound.
    """
    n = len(y)
    inside = np.ones((1, n), bool)
    if np.isfinite(bound):
        edges = np.sort(np.concatenate([y - bound, y + bound]))
        inside = np.abs(y - ((edges[1:] + edges[:-1]) / 2)[:, None]) < bound
    sums = [
        np.cumsum(np.pad(v, ((0, 0), (1, 0))), 1, dtype=np.longdouble)
        for v in (inside * w, inside * (w * y), inside * (w * y * y), ~inside * w)
    ]
    s0, s1, s2, out = (s[:, None, 1:] - s[:, :-1, None] for s in sums)  # choice, first, last
    with np.errstate(all="ignore"):
        cost = s2 - s1 * s1 / s0 + (out * bound**2 if np.isfinite(bound) else 0.0)
    cost[~(s0 > 0)] = np.inf
    choice = cost.argmin(0)[None]
    pick = [np.take_along_axis(a, choice, 0)[0] for a in (cost, s1, s0)]
    with np.errstate(all="ignore"):
        return pick[0], pick[1] / pick[2]


def programme(y: Array, w: Array | None, penalty: float, bound: float) -> tuple[list[int], float]:
    """Optimal partitioning by the recursion of Jackson et al. 2005: starts of the segments, cost."""
    weight = np.where(np.isnan(y), 0.0, 1.0 if w is None else w)
    kept = np.flatnonzero(weight > 0)
    if not len(kept):
        return [], 0.0
    x, m = y[kept] - np.median(y[kept]), weight[kept]
    costs, levels = segment_costs(x, m, bound)
    best, last = np.zeros(len(x) + 1), np.zeros(len(x) + 1, int)
    best[0] = -penalty
    for t in range(1, len(x) + 1):
        total = best[:t] + penalty + costs[:t, t - 1]
        last[t] = int(total.argmin())
        best[t] = total[last[t]]
    stops, t = [], len(x)
    while t:
        stops.append((int(last[t]), t))
        t = int(last[t])
    stops.reverse()
    starts = [0]
    for (i, j), (k, stop) in itertools.pairwise(stops):
        # What is out of bounds for both costs the same in either: the tie goes to the earlier one.
        while (
            k < stop and min(abs(x[k] - levels[i, j - 1]), abs(x[k] - levels[stops[len(starts)][0], stop - 1])) >= bound
        ):
            k += 1
        starts.append(k)
    return [int(kept[s]) for s in starts], float(best[-1])


def signal(rng: np.random.Generator, size: int) -> tuple[Array, Array | None]:
    """Steps, spikes, gaps and weights, at an offset; weights are None for some."""
    n = int(rng.integers(1, size))
    y = 10 ** rng.uniform(-1, 4) * rng.normal() + rng.normal(0, 1, n)
    for _ in range(int(rng.integers(0, 5))):
        y[int(rng.integers(0, n)) :] += rng.normal(0, 10 ** rng.uniform(0, 3))
    y[rng.random(n) < 0.08] += rng.normal(0, 300)
    kind = int(rng.integers(0, 4))
    if kind % 2:
        y[rng.random(n) < rng.choice([0.1, 0.6])] = np.nan
    if kind < 2:
        return y, None
    w = 10 ** rng.uniform(-1.5, 1.5, n)
    w[rng.random(n) < 0.15] = 0
    return y, w


def plate(rng: np.random.Generator, n: int, at: Array, mass: Array, sigma: float = 1.0) -> Array:
    y = 5000 + rng.normal(0, sigma, n)
    for k, m in zip(at.astype(int), mass, strict=True):
        y[k:] += m
    return y


class TestAgainstTheDynamicProgramme:
    @pytest.mark.parametrize("batch", range(4))
    @pytest.mark.parametrize("loss", ["square", "biweight"])
    def test_250_random_signals_a_batch(self, loss: str, batch: int, rng: np.random.Generator) -> None:
        segments = 0
        for case in range(250):
            y, w = signal(rng, 45 if loss == "biweight" else 90)
            penalty = 10 ** rng.uniform(0, 2)
            bound = np.inf if loss == "square" else rng.choice([0.5, 1.5, 3.0, 10.0])
            starts, cost = programme(y, w, penalty, bound)
            start, _, _, losses = kernel(y, w, penalty, bound)
            assert start.tolist() == starts, (case, y.tolist(), w, penalty, bound)
            assert losses.sum() + penalty * max(0, len(start) - 1) == pytest.approx(cost, rel=1e-9, abs=1e-9)
            segments += len(start)
        assert segments > 750

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.sampled_from([0.5, 1.5, np.inf]))
    def test_ties_cost_the_same(self, values: list[int], bound: float) -> None:
        """Of integers many segmentations are optimal; the one found costs what the programme's costs."""
        y = np.array(values, float)
        start, _, _, losses = kernel(y, None, 2.0, bound)
        _, cost = programme(y, None, 2.0, bound)
        assert losses.sum() + 2.0 * (len(start) - 1) == pytest.approx(cost, abs=1e-9)
        costs, _ = segment_costs(y, np.ones(len(y)), bound)
        stops = [*start[1:].tolist(), len(y)]
        assert sum(costs[i, j - 1] for i, j in zip([0, *start[1:]], stops, strict=True)) == pytest.approx(
            losses.sum(), abs=1e-9
        )


class TestKnownAnswers:
    @pytest.mark.parametrize("loss", ["square", "biweight"])
    def test_steps_without_noise(self, loss: Any) -> None:
        result = segment(np.repeat([100.0, 620.0, 350.0], 200), rate_hz=RATE, loss=loss)
        assert result.ticks.tolist() == [200, 400]
        np.testing.assert_allclose(result.levels_g, [100, 620, 350], rtol=1e-12)
        np.testing.assert_allclose(result.deltas_g, [520, -270], rtol=1e-12)

    def test_a_touch_and_a_spike_are_no_levels(self, rng: np.random.Generator) -> None:
        y = plate(rng, 3600, np.array([1800]), np.array([-40]))
        y[900:929] += 400  # shorter than half a second
        y[2700] += 25_000
        result = segment(y, rate_hz=RATE)
        assert result.ticks.tolist() == [1800]
        assert abs(result.deltas_g[0] + 40) < 4 * result.deltas_sigma_g[0] < 1
        assert len(segment(y, rate_hz=RATE, loss="square").ticks) >= 5
        y[900:962] += 400 - 400 * (np.arange(62) < 29)  # longer than a second
        assert result.ticks.tolist() != segment(y, rate_hz=RATE).ticks.tolist()

    def test_a_change_within_a_gap_is_at_the_first_sample_after_it(self, rng: np.random.Generator) -> None:
        y = plate(rng, 1200, np.array([600]), np.array([300]))
        y[560:700] = np.nan
        for weights in (None, np.ones(1200)):
            result = segment(y, rate_hz=RATE, weights=weights)
            assert (result.ticks.tolist(), result.missing) == ([700], 140)
        weights = np.ones(1200)
        weights[550:560] = 0
        assert segment(np.nan_to_num(y), rate_hz=RATE, weights=np.where(np.isnan(y), 0, weights)).ticks.tolist() == [
            700
        ]

    def test_weights_are_relative_precisions(self, rng: np.random.Generator) -> None:
        """Two thirds of the samples are ten times as noisy, and say so."""
        w = np.where(np.arange(6000) % 3, 0.01, 1.0)
        y = rng.normal(0, 1, 6000) / np.sqrt(w) + 6 * (np.arange(6000) >= 3000)
        result = segment(y, rate_hz=RATE, weights=w)
        assert len(result.ticks) == 1
        assert abs(result.ticks[0] - 3000) <= 6
        assert result.sigma_g == pytest.approx(1, rel=0.05)
        assert result.levels_sigma_g[0] == pytest.approx(1 / np.sqrt(1020), rel=0.1)

    def test_the_penalty_decreases_with_the_alarms_allowed(self, rng: np.random.Generator) -> None:
        y = rng.normal(0, 1, 20_000)
        cost = [
            segment(y, rate_hz=RATE, sigma_g=1.0, loss="square", false_alarms_per_day=a).cost_g2 for a in (1e4, 1, 1e-4)
        ]
        assert cost[0] <= cost[1] <= cost[2]


class TestStatistics:
    def test_false_alarms_are_as_rare_as_asked_for(self, rng: np.random.Generator) -> None:
        """Three hours of noise on a plate that changes once a minute, 4,000 false changes a day allowed."""
        n, every = 3 * 3600 * 60, 3600
        y = rng.normal(0, 1, n) + 100 * (np.arange(n) // every % 2)
        found = segment(y, rate_hz=RATE, sigma_g=1.0, loss="square", false_alarms_per_day=4000).ticks
        true = np.arange(every, n, every)
        assert np.isin(true, found).mean() > 0.99
        assert (len(found) - len(true)) / 500 == pytest.approx(1, abs=0.3)

    @pytest.mark.parametrize("loss", ["square", "biweight"])
    def test_no_false_change_in_correlated_noise(self, loss: Any, rng: np.random.Generator) -> None:
        """Autoregressive noise (0.7): a mean of it varies 5.7 times as much as one of white noise."""
        y = np.empty(216_000)
        y[0] = 0
        for i, e in enumerate(rng.normal(0, 1, len(y) - 1)):
            y[i + 1] = 0.7 * y[i] + e
        result = segment(y, rate_hz=RATE, loss=loss)
        assert len(result.ticks) == 0
        assert result.sigma_g == pytest.approx(1 / np.sqrt(1 - 0.49), rel=0.1)
        assert result.correlation == pytest.approx(1.7 / 0.3, rel=0.25)

    def test_errors_match_their_sigma(self, rng: np.random.Generator) -> None:
        at, mass = np.arange(600, 120_000, 600), rng.uniform(50, 900, 199) * rng.choice([-1, 1], 199)
        result = segment(plate(rng, 120_000, at, mass, sigma=2.0), rate_hz=RATE)
        np.testing.assert_array_equal(result.ticks, at)
        error = (result.deltas_g - mass) / result.deltas_sigma_g
        assert np.sqrt(np.mean(error**2)) == pytest.approx(1, abs=0.15)
        assert result.sigma_g == pytest.approx(2, rel=0.02)


class TestProperties:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(["square", "biweight"]))
    def test_a_weight_of_zero_is_a_missing_sample_is_an_absent_one(self, seed: int, loss: Any) -> None:
        rng = np.random.default_rng(seed)
        y = plate(rng, 300, rng.integers(1, 300, 3), rng.normal(0, 300, 3))
        gone = rng.random(300) < 0.3
        arguments: dict[str, Any] = {"rate_hz": RATE, "loss": loss, "sigma_g": 1.0}
        nan = segment(np.where(gone, np.nan, y), **arguments)
        zero = segment(y, weights=np.where(gone, 0, 1), **arguments)
        absent = segment(y[~gone], **arguments)
        for name in ("levels_g", "levels_sigma_g", "deltas_g", "cost_g2"):
            np.testing.assert_array_equal(getattr(nan, name), getattr(zero, name))
            np.testing.assert_array_equal(getattr(nan, name), getattr(absent, name))
        np.testing.assert_array_equal(nan.ticks, np.flatnonzero(~gone)[absent.ticks])
        np.testing.assert_array_equal(nan.ticks, zero.ticks)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(width=64), max_size=60), st.sampled_from(["square", "biweight"]), st.booleans())
    def test_any_numbers_give_levels_and_no_crash(self, values: list[float], loss: Any, measured: bool) -> None:
        result = segment(values, rate_hz=RATE, loss=loss, sigma_g=None if measured else 1e-9)
        assert np.isfinite(result.levels_g).all()
        assert np.isfinite(result.cost_g2)
        assert len(result.levels_g) == (len(result.ticks) + 1 if result.missing < len(values) else 0)
        usable = [v for v in values if abs(v) <= 1e6]
        assert result.missing == len(values) - len(usable)
        assert all(min(usable) - 1e-6 <= v <= max(usable) + 1e-6 for v in result.levels_g)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_time_reversed_costs_the_same(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        y, w = signal(rng, 400)
        for bound in (np.inf, 3.0):
            one = kernel(y, w, 20.0, bound)
            two = kernel(y[::-1].copy(), None if w is None else w[::-1].copy(), 20.0, bound)
            assert len(one[0]) == len(two[0])
            np.testing.assert_allclose(one[1], two[1][::-1], rtol=1e-9, atol=1e-9)


class TestBackends:
    @pytest.mark.parametrize("loss", ["square", "biweight"])
    def test_the_kernels_agree_to_the_bit(self, loss: str, rng: np.random.Generator) -> None:
        for _ in range(60):
            y, w = signal(rng, 120)
            penalty, bound = 10 ** rng.uniform(0, 2), np.inf if loss == "square" else rng.choice([0.5, 1.5, 3.0])
            weights = np.empty(0) if w is None else w

            def call(y: Array = y, weights: Array = weights, penalty: float = penalty, bound: float = bound) -> Any:
                with np.errstate(all="ignore"):
                    return kernels("changepoints").segment(y, weights, penalty, bound)

            agree(call)

    @pytest.mark.parametrize("loss", ["square", "biweight"])
    def test_native_and_numba_agree_on_a_long_signal(self, loss: Any, rng: np.random.Generator) -> None:
        """Quantised, so that there are ties; long enough for several rebasings and crowded rooms."""
        y = np.round(plate(rng, 30_000, rng.integers(0, 30_000, 40), rng.normal(0, 300, 40)) / 0.24) * 0.24
        y[rng.random(30_000) < 0.01] += 400
        for penalty, bound in ((4.0, 1.0), (20.0, 3.0), (2000.0, 3.0)):
            bound = np.inf if loss == "square" else bound
            one, two = (kernel(y, None, penalty, bound, backend) for backend in ("native", "numba"))
            for a, b in zip(one, two, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_results_and_errors_agree(self, rng: np.random.Generator) -> None:
        y = plate(rng, 300, np.array([150]), np.array([80]))

        def call() -> list[Any]:
            result = segment(y, rate_hz=RATE)
            return [getattr(result, name) for name in Segmentation.__slots__]

        assert agree(call)[0].tolist() == [150]
        with pytest.raises(ValueError, match="loss"):
            agree(lambda: segment(y, rate_hz=RATE, loss="huber"))  # type: ignore[arg-type]


class TestLongSignals:
    def test_precision_does_not_depend_on_length_or_offset(self, rng: np.random.Generator) -> None:
        """Six hours under a heavy plate: the same changes as each hour alone, the losses to 1e-12.

        Totals never span more than 256 samples and are told from the current level, so a month is no other job:
        what grows with the signal is the sum of the losses, added up segment by segment.
        """
        hour, hours = 216_000, 6
        y = np.round(rng.normal(0, 1, hours * hour) * 8) / 8
        y += 16_384 + np.repeat(rng.integers(-2000, 2000, hours * 10) * 0.5, hour // 10)
        whole = segment(y, rate_hz=RATE, sigma_g=1.0, loss="square")
        parts = [segment(p - 16_384, rate_hz=RATE, sigma_g=1.0, loss="square") for p in np.split(y, hours)]
        inner = np.concatenate([p.ticks + k * hour for k, p in enumerate(parts)])
        np.testing.assert_array_equal(whole.ticks[whole.ticks % hour != 0], inner)
        lone = np.concatenate([p.levels_g for p in parts]) + 16_384
        np.testing.assert_allclose(np.sort(np.unique(whole.levels_g)), np.sort(np.unique(lone)), rtol=1e-13)
        bounds = np.concatenate([[0], whole.ticks, [len(y)]])
        exact = sum(np.longdouble(((s - s.mean()) ** 2).sum()) for s in np.split(y.astype(np.longdouble), bounds[1:-1]))
        penalty = (whole.cost_g2 - float(exact)) / len(whole.ticks)
        assert penalty == pytest.approx((parts[0].cost_g2 - self._loss(y[:hour])) / len(parts[0].ticks), rel=1e-9)

    @staticmethod
    def _loss(y: Array) -> float:
        ticks = segment(y, rate_hz=RATE, sigma_g=1.0, loss="square").ticks
        return float(sum(((s - s.mean()) ** 2).sum() for s in np.split(y.astype(np.longdouble), ticks)))

    def test_rooms_grow_when_they_are_too_small(self, rng: np.random.Generator) -> None:
        """A narrow bound and a high penalty keep hundreds of pieces."""
        y = rng.uniform(0, 1000, 1500)
        start, level, _, losses = kernel(y, None, 400.0, 2.0)
        again = kernel(y, None, 400.0, 2.0, "numba")
        np.testing.assert_array_equal(level, again[1])
        assert len(start) >= 1
        assert losses.sum() <= 4 * 1500


class TestHostile:
    def test_nothing_and_next_to_nothing(self) -> None:
        for grams in ([], [np.nan], [np.inf, -np.inf], [1e300, 2e6]):
            result = segment(grams, rate_hz=RATE)
            assert (len(result.ticks), len(result.levels_g), result.missing) == (0, 0, len(grams))
            assert np.isnan(result.sigma_g)
        one = segment([7], rate_hz=RATE)
        assert (one.levels_g.tolist(), one.ticks.tolist(), one.cost_g2) == ([7.0], [], 0.0)
        constant = segment(np.full(10_000, 4321.5), rate_hz=RATE)
        assert (constant.levels_g.tolist(), constant.cost_g2) == ([4321.5], 0.0)

    def test_integers_lists_and_strides_are_taken(self) -> None:
        y = np.repeat([5, 300], 100)
        for grams in (y, y.tolist(), y.astype(np.uint16), y.astype(np.float32), np.repeat(y, 2)[::2]):
            assert segment(grams, rate_hz=RATE).ticks.tolist() == [100]

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ({"grams": np.zeros((3, 2))}, ValueError, "grams must have shape"),
            ({"grams": ["a"]}, TypeError, "grams must be an array"),
            ({"grams": None}, TypeError, "grams must be an array"),
            ({"rate_hz": 0.0}, ValueError, "rate_hz must lie in"),
            ({"rate_hz": np.nan}, ValueError, "rate_hz must be finite"),
            ({"rate_hz": "60"}, TypeError, "rate_hz must be a number"),
            ({"sigma_g": 0.0}, ValueError, "sigma_g must be above 0"),
            ({"sigma_g": np.inf}, ValueError, "sigma_g must be finite"),
            ({"weights": [1.0, 2.0]}, ValueError, r"weights must have shape \(3\)"),
            ({"weights": [1.0, np.nan, 1.0]}, ValueError, "weights must be finite"),
            ({"weights": [1.0, -1.0, 1.0]}, ValueError, "weights must be 0 or lie in"),
            ({"weights": [1.0, 1e9, 1.0]}, ValueError, "weights must be 0 or lie in"),
            ({"false_alarms_per_day": 0.0}, ValueError, "false_alarms_per_day must lie in"),
            ({"shortest_s": -1.0}, ValueError, "shortest_s must lie in"),
            ({"loss": "huber"}, ValueError, "loss must be 'biweight' or 'square'; got 'huber'"),
            ({"loss": None}, ValueError, "loss must be 'biweight' or 'square'; got None"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            segment(**{"grams": [1.0, 2.0, 3.0], "rate_hz": RATE, **arguments})

    def test_the_native_module_refuses_wrong_arrays(self) -> None:
        native = pytest.importorskip("fusion.native.changepoints")
        with pytest.raises(ValueError, match="grams"):
            native.segment(np.zeros((2, 2)), np.empty(0), 1.0, 1.0)
        with pytest.raises(ValueError, match="weights"):
            native.segment(np.zeros(3), np.ones(2), 1.0, 1.0)
        with pytest.raises(ValueError, match="penalty_g2"):
            native.segment(np.zeros(3), np.ones(3), np.nan, 1.0)
        with pytest.raises(TypeError):
            native.segment(np.zeros(3, np.float32), np.empty(0), 1.0, 1.0)
