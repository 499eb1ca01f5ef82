"""The C ABI of association: in step with the engine through days of shopping, statuses for what is wrong."""

import ctypes as c
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fusion
from c_library import (
    STATUS,
    AssociationSettings,
    Evidence,
    Hands,
    Hypotheses,
    Lineage,
    Places,
    Scene,
    call,
    library,
    scratch,
)
from fusion import backends
from test_associator import PLATES, Shop

ROOM = 4096
BAD = STATUS["BAD_ARGUMENT"]


def settings(s: Any = None) -> AssociationSettings:
    known = AssociationSettings()
    assert call(library(), "association_defaults", c.byref(known)) == 0
    for name, value in () if s is None else fusion.AssociationSettings(*s)._asdict().items():
        setattr(known, name, value)
    return known


def address(array: NDArray[Any]) -> int | None:
    assert array.flags.c_contiguous
    return array.ctypes.data if array.size else None


def hypotheses(weight: NDArray[Any], count: NDArray[Any], record: NDArray[Any]) -> Hypotheses:
    return Hypotheses(address(weight), address(count), address(record), len(weight), record.shape[1])


def check(name: str, *arguments: Any) -> None:
    status = call(library(), name, *arguments)
    assert status == 0, (name, library().fusion_status_text(status))


class Explanations:
    """The native kernel, compared with the C ABI at each call."""

    def __init__(self, native: Any) -> None:
        self.native, self.calls = native, 0

    def explain(self, *given: Any) -> int:
        delta, sigma, inside, facing_product, hands, vision, owner, mass, by_mass, present, null = given[:11]
        parts, terms, score, s = given[11:]
        needed = int(self.native.explain(*given))
        arrays = [np.ascontiguousarray(a) for a in (delta, sigma, inside, facing_product, hands, vision, owner, mass)]
        arrays += [np.ascontiguousarray(by_mass), np.ascontiguousarray(present)]
        sizes = len(delta), len(facing_product), len(owner), len(mass)
        scene = Scene(*map(address, arrays), *sizes, null)
        part, term = np.full((ROOM, 3, 4), -7, np.int32), np.empty((ROOM, 4))
        log_score, found, known = np.empty(ROOM), c.c_int32(), settings(s)
        memory = scratch(library(), "explain", c.byref(known), *sizes[1:])
        check("explain", c.byref(known), c.byref(scene), part, term, log_score, ROOM, c.byref(found), *memory)
        assert found.value == needed
        if needed <= len(parts):
            np.testing.assert_array_equal(part[:needed], parts[:needed])
            np.testing.assert_allclose(term[:needed], terms[:needed], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(log_score[:needed], score[:needed], rtol=1e-12, atol=1e-12)
        small = c.c_int32()
        status = call(
            library(), "explain", c.byref(known), c.byref(scene), part, term, log_score, 0, c.byref(small), *memory
        )
        assert (status, small.value) == (STATUS["NO_ROOM"], needed)
        self.calls += 1
        return needed


class Beliefs:
    """The same for hypotheses."""

    def __init__(self, native: Any) -> None:
        self.native, self.calls = native, {"update": 0, "forget": 0, "join": 0, "certain": 0}

    def update(self, *given: Any) -> tuple[int, int]:
        weight, count, records, echo, together, parts, score, first_joint, plates, main_plates = given[:10]
        products, facings, new_weight, new_count, new_records, share, joint_share, columns, chosen, s = given[10:]
        old = hypotheses(weight, count, records)
        made = [np.zeros_like(a) for a in (new_weight, new_count, new_records, share, joint_share, columns, chosen)]
        arrays = [np.ascontiguousarray(a) for a in (parts, score, echo, together, plates)]
        evidence = Evidence(*map(address, arrays), len(parts), first_joint, len(plates), *main_plates.tolist())
        evidence.products, evidence.facings = products, facings
        new, lineage = hypotheses(*made[:3]), Lineage(*map(address, made[3:]), len(columns))
        memory = scratch(library(), "hypotheses_update", c.byref(old), c.byref(evidence), c.byref(new))
        references = c.byref(settings(s)), c.byref(old), c.byref(evidence), c.byref(new), c.byref(lineage)
        kept = c.c_int32()
        check("hypotheses_update", *references, c.byref(kept), *memory)
        told = self.native.update(*given)
        assert (kept.value, lineage.used) == told
        n, used = told
        np.testing.assert_array_equal(made[1][:n], new_count[:n])
        for row, native, length in zip(made[2][:n], new_records, new_count[:n], strict=False):
            np.testing.assert_array_equal(row[:length], native[:length])
        np.testing.assert_array_equal(made[5][:used], columns[:used])
        for mine, native in zip((*made[:1], *made[3:5]), (new_weight, share, joint_share), strict=True):
            np.testing.assert_allclose(mine[:n], native[:n], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(made[6][:n, :used], chosen[:n, :used], rtol=1e-12, atol=1e-12)
        self.calls["update"] += 1
        self.certain(new_count[:n], new_records[:n], 0)
        return n, used

    def forget(self, owner: int, weight: Any, count: Any, records: Any, share: Any) -> int:
        own = [np.array(a) for a in (weight, count, records, share)]
        mine, kept = hypotheses(*own[:3]), c.c_int32()
        memory = scratch(library(), "hypotheses_forget", c.byref(mine))
        check("hypotheses_forget", c.byref(mine), owner, own[3], c.byref(kept), *memory)
        told = self.native.forget(owner, weight, count, records, share)
        assert kept.value == told
        for a, b in zip(own, (weight, count, records, share), strict=True):
            np.testing.assert_allclose(a[:told], b[:told], rtol=1e-12, atol=1e-12)
        self.calls["forget"] += 1
        return int(told)

    def join(self, *given: Any) -> int:
        one, other = hypotheses(*given[:3]), hypotheses(*given[3:6])
        made, source = [np.zeros_like(a) for a in given[6:9]], np.zeros_like(given[9])
        new, kept = hypotheses(*made), c.c_int32()
        memory = scratch(library(), "hypotheses_join", c.byref(one), c.byref(other))
        references = c.byref(settings(given[10])), c.byref(one), c.byref(other), c.byref(new)
        check("hypotheses_join", *references, source, c.byref(kept), *memory)
        told = self.native.join(*given)
        assert kept.value == told
        for a, b in zip((*made, source), given[6:10], strict=True):
            np.testing.assert_allclose(a[:told], b[:told], rtol=1e-12, atol=1e-12)
        self.calls["join"] += 1
        return int(told)

    def __getattr__(self, name: str) -> Any:
        """What the C ABI has not."""
        return getattr(self.native, name)

    def certain(self, count: Any, records: Any, owner: int) -> bool:
        told, weight = c.c_int32(-1), np.zeros(len(count))
        mine = hypotheses(weight, np.ascontiguousarray(count), np.ascontiguousarray(records))
        check("hypotheses_certain", c.byref(mine), owner, c.byref(told))
        assert told.value == int(self.native.certain(count, records, owner))
        self.calls["certain"] += 1
        return bool(told.value)


class Likelihood:
    """The same for likelihoods."""

    def __init__(self, native: Any) -> None:
        self.native = native

    def __getattr__(self, name: str) -> Any:
        """What the C ABI has not."""
        return getattr(self.native, name)

    def hand_log_likelihood(
        self, xyz: Any, var: Any, when: Any, start: Any, center: Any, axes: Any, half: Any, s: Any
    ) -> Any:
        told = self.native.hand_log_likelihood(xyz, var, when, start, center, axes, half, s)
        arrays = [np.ascontiguousarray(a) for a in (xyz, var, when, start, center, axes, half)]
        hands = Hands(*map(address, arrays[:3]), *xyz.shape[:3])
        places, mine = Places(*map(address, arrays[3:]), len(start) - 1, len(center)), np.empty(told.shape)
        check("hand_log_likelihood", c.byref(settings(s)), c.byref(hands), c.byref(places), mine)
        np.testing.assert_allclose(mine, told, rtol=1e-12, atol=1e-12)
        return told

    def log_echo(self, *given: Any) -> float:
        *numbers, s = given
        told, mine = self.native.log_echo(*given), c.c_double()
        check("log_echo", c.byref(settings(s)), *map(float, numbers), c.byref(mine))
        assert mine.value == pytest.approx(told, rel=1e-12, abs=1e-12)
        return float(told)


def test_a_busy_day_is_the_same(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    with backends.use_backend("native"):
        twins: dict[str, Any] = {
            "explanations": Explanations(backends.kernels("explanations")),
            "hypotheses": Beliefs(backends.kernels("hypotheses")),
            "association": Likelihood(backends.kernels("association")),
        }
        twins["transfers"] = backends.kernels("transfers")
    monkeypatch.setattr(backends, "kernels", twins.__getitem__)
    shop = Shop()
    for _ in range(120):
        where = [str(rng.choice(PLATES)) if rng.random() < 0.7 else None for _ in range(2)]
        plates = rng.choice(PLATES, rng.integers(1, 3), replace=False)
        grams = rng.choice([-500.0, 500.0, -300.0, 300.0, -1000.0, -30.0, 612.0, -800.0], len(plates))
        shop.event(dict(zip(plates.tolist(), (grams + rng.normal(0, 2, len(plates))).tolist(), strict=True)), *where)
        if rng.random() < 0.1:
            shop.associator.leave("ann")
    assert twins["explanations"].calls >= 120
    assert twins["hypotheses"].calls["update"] >= 120
    assert twins["hypotheses"].calls["forget"] > 0
    assert twins["hypotheses"].calls["certain"] >= 120


def scene(**changes: Any) -> Scene:
    kept = {"delta_g": np.array([-500.0]), "sigma_g": np.array([1.0]), "inside": np.ones((2, 1), np.uint8)}
    kept |= {"facing_product": np.zeros(1, np.int32), "hands": np.zeros((1, 2)), "vision": np.zeros((1, 2))}
    kept |= {"owner": np.zeros(1, np.int32), "mass_g": np.array([500.0, 900.0]), "by_mass": np.array([0, 1], np.int32)}
    kept |= {"present": np.zeros(2, np.uint8)}
    numbers = {"plates": 1, "facings": 1, "shoppers": 1, "products": 2, "null": 0.01}
    kept |= {name: value for name, value in changes.items() if name in kept}
    numbers |= {name: value for name, value in changes.items() if name in numbers}
    pointers = [None if a is None else address(a) for a in kept.values()]
    made = Scene(*pointers, *numbers.values())
    made.kept = list(kept.values())  # the arrays live as long
    return made


def explained(given: Any, known: Any = None, room: int = 64, size: int | None = None) -> int:
    part, term, score, found = np.empty((64, 3, 4), np.int32), np.empty((64, 4)), np.empty(64), c.c_int32()
    memory, needed = scratch(library(), "explain", c.byref(settings()), 1, 1, 2)
    size_t = needed if size is None else c.c_size_t(size)
    which = c.byref(settings() if known is None else known)
    return call(library(), "explain", which, given, part, term, score, room, c.byref(found), memory, size_t)


def test_bad_scenes_are_refused() -> None:
    assert explained(c.byref(scene())) == 0
    assert explained(c.byref(scene(vision=None))) == 0
    assert explained(None) == BAD
    bad: list[dict[str, Any]] = [{name: None} for name in ("delta_g", "sigma_g", "inside", "facing_product", "hands")]
    bad += [{name: None} for name in ("owner", "mass_g", "by_mass", "present")]
    bad += [{name: n} for name in ("plates", "facings", "shoppers", "products") for n in (-1, 65_537)]
    bad += [{"plates": 0}, {"null": 0.0}, {"null": np.nan}, {"facing_product": np.full(1, 2, np.int32)}]
    bad += [{"delta_g": np.array([v])} for v in (np.nan, np.inf, 1e300)]
    bad += [{"sigma_g": np.array([v])} for v in (np.nan, 0.0, -1.0)] + [{"hands": np.full((1, 2), np.nan)}]
    bad += [{"mass_g": np.array([v, 900.0])} for v in (0.0, -5.0, np.inf, 901.0, np.nan)]
    bad += [{"by_mass": np.array([0, 2], np.int32)}, {"owner": np.full(1, -1, np.int32)}]
    for change in bad:
        assert explained(c.byref(scene(**change))) == BAD, change
    given = scene()
    assert explained(c.byref(given), size=8) == explained(c.byref(given), room=0) == STATUS["NO_ROOM"]


def test_bad_settings_are_refused() -> None:
    given = scene()
    known = settings()
    known.abi = 7
    assert explained(c.byref(given), known) == STATUS["ABI_MISMATCH"]
    for name in (*fusion.AssociationSettings._fields, "reserved"):
        known = settings()
        setattr(known, name, -1)
        assert explained(c.byref(given), known) == BAD, name


def test_bad_hypotheses_are_refused() -> None:
    told = c.c_int32()

    def certain(weight: Any = 0.0, count: Any = 1, record: Any = (0, 0, 1)) -> int:
        own = [np.array([weight]), np.array([count], np.int32), np.full((1, 2, 3), record, np.int32)]
        return call(library(), "hypotheses_certain", c.byref(hypotheses(*own)), 0, c.byref(told))

    assert certain() == 0
    assert certain(weight=np.nan) == certain(weight=np.inf) == certain(count=-1) == certain(count=3) == BAD
    assert certain(count=2) == BAD  # the same record twice
    assert certain(record=(0, -1, 1)) == certain(record=(0, 0, 0)) == certain(record=(0, 0, 2**31 - 1)) == BAD
    assert call(library(), "hypotheses_certain", None, 0, c.byref(told)) == BAD
