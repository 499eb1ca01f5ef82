"""The store: known answers, refusals by name, and the document there and back and damaged."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store
from fusion.store import PLATE_CAPACITY_G

BOX = Box(np.zeros(3), np.ones(3))
TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
MATRIX = np.array([[900.0, 0.5, 640.0], [0.0, 905.0, 360.0], [0.0, 0.0, 1.0]])


def fixture(name: str, *plates: str) -> Fixture:
    return Fixture(name, (Shelf(f"{name}/1", tuple(Plate(p, BOX) for p in plates)),))


def store(**changes: Any) -> Store:
    given: dict[str, Any] = {
        "fixtures": (fixture("1", "1/1/1", "1/1/2"),),
        "products": (Product("cola", "Cola 0.5 l", 535.0, 1.5), Product("soap")),
        "planogram": (Facing("cola", ("1/1/1", "1/1/2"), BOX),),
        "cameras": (Camera("c", MATRIX, TURN, np.ones(3), np.zeros(5), (1280, 720)),),
    }
    return Store(**given | changes)


class TestBox:
    def test_center(self) -> None:
        np.testing.assert_allclose(Box([1, 2, 3], [2, 4, 6]).center_m, [2, 4, 6])  # type: ignore[arg-type]
        np.testing.assert_allclose(Box([1, 2, 3], [2, 4, 6], TURN).center_m, [1 - 2, 2 + 1, 6])  # type: ignore[arg-type]

    def test_holds_copies(self) -> None:
        mine = np.zeros(3)
        box = Box(mine, mine, np.eye(3))
        mine[:] = 5
        assert box.origin_m.tolist() == box.size_m.tolist() == [0, 0, 0]
        for held in (box.origin_m, box.size_m, box.rotation):
            with pytest.raises(ValueError, match="read-only"):
                held[0] = 1

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (([0, 0], [1, 1, 1]), ValueError, r"origin_m must have shape \(3\); got \(2,\)"),
            (([0, 0, np.nan], [1, 1, 1]), ValueError, "origin_m must be finite"),
            ((None, [1, 1, 1]), TypeError, "origin_m must be an array of float64; got NoneType"),
            (([0, 0, 0], [1, 1, np.inf]), ValueError, "size_m must be finite"),
            (([0, 0, 0], [1, -1, 1]), ValueError, r"size_m must not be negative; got \[1.0, -1.0, 1.0\]"),
            (([0, 0, 0], ["1", "1", "1"]), TypeError, "size_m must be an array of float64; got list"),
            (([0, 0, 0], [1, 1, 1], np.diag([1, 1, -1])), ValueError, "rotation must be a rotation matrix"),
            (([0, 0, 0], [1, 1, 1], 5), ValueError, r"rotation must have shape \(3, 3\); got \(\)"),
        ],
    )
    def test_refused(self, arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            Box(*arguments)


class TestParts:
    def test_defaults(self) -> None:
        assert Plate("p", BOX).capacity_g == PLATE_CAPACITY_G == 20_000
        assert Product("x").name == ""
        assert np.isnan([Product("x").mass_g, Product("x").price]).all()
        camera = Camera("c", MATRIX, TURN, np.ones(3))
        assert (camera.size_px, len(camera.distortion)) == ((0, 0), 0)

    def test_numbers_become_floats(self) -> None:
        product = Product("x", "", np.float32(2), 3)
        assert (type(product.mass_g), type(product.price)) == (float, float)

    def test_lists_become_tuples(self) -> None:
        plates = [Plate("a", BOX), Plate("b", BOX)]
        shelf = Shelf("s", plates)  # type: ignore[arg-type]
        plates.clear()
        assert [p.id for p in Fixture("f", [shelf]).plates] == ["a", "b"]  # type: ignore[arg-type]
        assert Facing("x", ["a"], BOX).plates == ("a",)  # type: ignore[arg-type]

    def test_columns_follow_shelves_and_plates(self) -> None:
        shelves = (Shelf("2", (Plate("b", BOX), Plate("a", BOX))), Shelf("1", (Plate("c", BOX),)))
        assert [p.id for p in Fixture("f", shelves).plates] == ["b", "a", "c"]

    @pytest.mark.parametrize("kind", [Product, Plate, Shelf, Fixture, Facing, Camera])
    @pytest.mark.parametrize(("name", "error"), [("", ValueError), (7, TypeError), (None, TypeError), ([], TypeError)])
    def test_identifiers(self, kind: Any, name: Any, error: type[Exception]) -> None:
        rest: dict[Any, tuple[Any, ...]] = {
            Product: (),
            Plate: (BOX,),
            Shelf: ((Plate("p", BOX),),),
            Fixture: ((Shelf("s", (Plate("p", BOX),)),),),
            Facing: (("p",), BOX),
            Camera: (MATRIX, TURN, np.ones(3)),
        }
        with pytest.raises(error, match=f"{kind.__name__.lower()}.* must "):
            kind(name, *rest[kind])

    @pytest.mark.parametrize(
        ("kind", "arguments", "error", "words"),
        [
            (Product, ("x", 5), TypeError, "name of product 'x' must be a str; got int"),
            (Product, ("x", "", 0), ValueError, r"mass_g of product 'x' must be positive, or NaN .* got 0\.0"),
            (Product, ("x", "", -1.5), ValueError, "mass_g of product 'x' must be positive"),
            (
                Product,
                ("x", "", np.inf),
                ValueError,
                "mass_g of product 'x' must be positive, or NaN where unknown; got inf",
            ),
            (Product, ("x", "", "5"), TypeError, "mass_g of product 'x' must be a number; got str"),
            (Product, ("x", "", True), TypeError, "mass_g of product 'x' must be a number; got bool"),
            (Product, ("x", "", None), TypeError, "mass_g of product 'x' must be a number; got NoneType"),
            (Product, ("x", "", 5.0, "cheap"), TypeError, "price of product 'x' must be a number; got str"),
            (
                Product,
                ("x", "", 5.0, np.inf),
                ValueError,
                "price of product 'x' must be finite, or NaN where unknown; got inf",
            ),
            (Product, ("x", "", 5.0, 1.0, 1), TypeError, "by_weight of product 'x' must be a bool; got int"),
            (Product, ("x", "", 5.0, 1.0, False, "t"), TypeError, "tags of product 'x' must be a sequence of str"),
            (Product, ("x", "", 5.0, 1.0, False, (1,)), TypeError, "tags of product 'x' must hold str objects; got in"),
            (Product, ("x", "", 5.0, 1.0, False, ("",)), ValueError, "tag of product 'x' must not be empty"),
            (Plate, ("p", None), TypeError, "box of plate 'p' must be a Box; got NoneType"),
            (Plate, ("p", BOX, 0), ValueError, "capacity_g of plate 'p' must be above 0; got 0.0"),
            (Plate, ("p", BOX, np.nan), ValueError, "capacity_g of plate 'p' must be finite"),
            (Plate, ("p", BOX, True), TypeError, "capacity_g of plate 'p' must be a number; got bool"),
            (Shelf, ("s", ()), ValueError, "plates of shelf 's' must not be empty"),
            (Shelf, ("s", None), TypeError, "plates of shelf 's' must be a sequence of Plate; got NoneType"),
            (Shelf, ("s", ("p",)), TypeError, "plates of shelf 's' must hold Plate objects; got str"),
            (Fixture, ("f", ()), ValueError, "shelves of fixture 'f' must not be empty"),
            (Fixture, ("f", (Plate("p", BOX),)), TypeError, "shelves of fixture 'f' must hold Shelf objects; got Plat"),
            (Fixture, ("f", "shelf"), TypeError, "shelves of fixture 'f' must be a sequence of Shelf; got str"),
            (Facing, ("x", (), BOX), ValueError, "plates of the facing of 'x' must not be empty"),
            (Facing, ("x", ("p", "p"), BOX), ValueError, "plates of the facing of 'x' must be unique; 'p' comes twice"),
            (Facing, ("x", "p", BOX), TypeError, "plates of the facing of 'x' must be a sequence of str; got str"),
            (Facing, ("x", (1,), BOX), TypeError, "plates of the facing of 'x' must hold str objects; got int"),
            (Facing, ("x", ("p",), None), TypeError, "box of the facing of 'x' must be a Box; got NoneType"),
        ],
    )
    def test_refused(self, kind: Any, arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            kind(*arguments)


class TestCamera:
    @pytest.mark.parametrize("n", [0, 4, 5, 8, 12, 14])
    def test_distortion(self, n: int) -> None:
        assert len(Camera("c", MATRIX, TURN, np.ones(3), np.full(n, 0.1)).distortion) == n

    def test_holds_copies(self) -> None:
        matrix, distortion = MATRIX.copy(), np.zeros(4)
        camera = Camera("c", matrix, TURN, np.ones(3), distortion)
        matrix[0, 0], distortion[0] = 1, 1
        assert (camera.matrix[0, 0], camera.distortion[0]) == (900, 0)
        for held in (camera.matrix, camera.rotation, camera.translation_m, camera.distortion):
            assert not held.flags.writeable

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"matrix": np.eye(4)}, ValueError, r"matrix must have shape \(3, 3\)"),
            ({"matrix": MATRIX * 2}, ValueError, r"matrix must be \[\[fx, s, cx\], .* got \[\[1800"),
            ({"matrix": np.diag([-900.0, 900, 1])}, ValueError, r"matrix must be \[\[fx"),
            ({"matrix": np.diag([900.0, 0, 1])}, ValueError, r"matrix must be \[\[fx"),
            ({"matrix": np.full((3, 3), np.nan)}, ValueError, "matrix must be finite"),
            ({"matrix": [*MATRIX.tolist()[:2], [0, 0]]}, TypeError, "matrix must be an array"),
            ({"rotation": np.diag([1, 1, -1])}, ValueError, "rotation must be a rotation matrix"),
            ({"translation_m": [0, 0, np.inf]}, ValueError, "translation_m must be finite"),
            ({"translation_m": [[0, 0, 1]]}, ValueError, r"translation_m must have shape \(3\); got \(1, 3\)"),
            ({"distortion": np.zeros(3)}, ValueError, "distortion must have 0, 4, 5, 8, 12 or 14 coefficients; got 3"),
            ({"distortion": [0, 0, 0, np.nan]}, ValueError, "distortion must be finite"),
            ({"distortion": None}, TypeError, "distortion must be an array"),
            ({"model": "fisheye", "distortion": np.zeros(5)}, ValueError, "distortion must have 0 or 4 coeff"),
            ({"model": "omni"}, ValueError, "model must be one of pinhole, fisheye; got 'omni'"),
            ({"model": None}, ValueError, "model must be one of pinhole, fisheye; got None"),
            ({"size_px": (1280,)}, ValueError, r"size_px must have shape \(2\); got \(1,\)"),
            ({"size_px": (1280.0, 720.0)}, TypeError, "size_px must be an array of int64"),
            ({"size_px": (-1, 720)}, ValueError, r"size_px must not be negative; got \[-1, 720\]"),
            ({"size_px": None}, TypeError, "size_px must be an array of int64; got NoneType"),
        ],
    )
    def test_refused(self, changes: dict[str, Any], error: type[Exception], words: str) -> None:
        good = {"id": "c", "matrix": MATRIX, "rotation": TURN, "translation_m": np.ones(3)}
        with pytest.raises(error, match=words):
            Camera(**good | changes)


class TestStore:
    def test_by_id(self) -> None:
        it = store()
        assert it.fixture_by_id["1"] is it.fixtures[0]
        assert list(it.plate_by_id) == ["1/1/1", "1/1/2"]
        assert it.product_by_id["soap"] is it.products[1]

    def test_empty(self) -> None:
        assert Store((), (), ()).plate_by_id == {}

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"fixtures": (fixture("1", "a"), fixture("1", "b"))}, ValueError, "fixture ids must be unique; '1' comes"),
            ({"fixtures": (fixture("1", "a", "a"),)}, ValueError, "plate ids must be unique; 'a' comes twice"),
            (
                {"fixtures": (Fixture("1", (Shelf("s", (Plate("a", BOX),)), Shelf("s", (Plate("b", BOX),)))),)},
                ValueError,
                "shelf ids must be unique; 's' comes twice",
            ),
            ({"products": (Product("a"), Product("a"))}, ValueError, "product ids must be unique; 'a' comes twice"),
            ({"products": (Product("cola", tags=("t",)), Product("b", tags=("t",)))}, ValueError, "'t' comes twice"),
            ({"cameras": store().cameras * 2}, ValueError, "camera ids must be unique; 'c' comes twice"),
            ({"products": ()}, ValueError, "planogram names the unknown product 'cola'"),
            ({"fixtures": (fixture("1", "1/1/1"),)}, ValueError, "puts 'cola' on the unknown plate '1/1/2'"),
            ({"fixtures": None}, TypeError, "fixtures must be a sequence of Fixture; got NoneType"),
            ({"products": {"cola": 1}}, TypeError, "products must be a sequence of Product; got dict"),
            ({"planogram": ("cola",)}, TypeError, "planogram must hold Facing objects; got str"),
            ({"cameras": "c"}, TypeError, "cameras must be a sequence of Camera; got str"),
        ],
    )
    def test_refused(self, changes: dict[str, Any], error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            store(**changes)


names = st.text(min_size=1, max_size=6)
metres = st.floats(-1e6, 1e6)
boxes = st.builds(
    Box,
    st.lists(metres, min_size=3, max_size=3),
    st.lists(metres.map(abs), min_size=3, max_size=3),
    st.sampled_from([np.eye(3), TURN, TURN.T]),
)
unknown_or = st.one_of(st.just(np.nan), st.floats(1e-3, 1e6))


@st.composite
def stores(draw: st.DrawFn) -> Store:
    plates = draw(st.lists(names, unique=True, min_size=1, max_size=6))
    cuts = sorted(draw(st.sets(st.integers(1, len(plates)), max_size=3)) | {0, len(plates)})
    shelves = [
        Shelf(f"s{i}", tuple(Plate(p, draw(boxes), draw(st.floats(1, 1e6))) for p in plates[a:b]))
        for i, (a, b) in enumerate(itertools.pairwise(cuts))
    ]
    products = draw(st.lists(names, unique=True, max_size=4))
    facings = []
    if products:
        some = st.lists(st.sampled_from(plates), min_size=1, unique=True).map(tuple)
        facings = draw(st.lists(st.builds(Facing, st.sampled_from(products), some, boxes), max_size=4))
    cameras = st.builds(
        Camera,
        names,
        st.just(MATRIX),
        st.sampled_from([np.eye(3), TURN]),
        st.lists(metres, min_size=3, max_size=3),
        st.sampled_from([0, 4, 5, 8]).flatmap(lambda n: st.lists(metres, min_size=n, max_size=n)),
        st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)),
    )
    return Store(
        tuple(Fixture(f"f{i}", (shelf,)) for i, shelf in enumerate(shelves)),
        tuple(
            Product(
                p,
                draw(st.text(max_size=5)),
                draw(unknown_or),
                draw(unknown_or),
                draw(st.booleans()),
                tuple(f"{p}-{i}" for i in range(draw(st.integers(0, 2)))),
            )
            for p in products
        ),
        tuple(facings),
        tuple(draw(st.lists(cameras, max_size=2, unique_by=lambda c: c.id))),
    )


def parts(it: Any) -> Any:
    """Everything that a store holds, comparable bit for bit."""
    if isinstance(it, np.ndarray):
        return it.dtype, it.shape, it.tobytes()
    if isinstance(it, tuple):
        return [parts(x) for x in it]
    if isinstance(it, str | int | float):
        return repr(it)
    return type(it), [parts(getattr(it, name)) for name in it.__dataclass_fields__]


class TestDocument:
    @given(stores())
    def test_there_and_back(self, it: Store) -> None:
        text = json.dumps(it.to_dict(), allow_nan=False)
        again = Store.from_dict(json.loads(text))
        assert parts(again) == parts(it)
        assert json.dumps(again.to_dict()) == text

    def test_unknown_is_null(self) -> None:
        assert store().to_dict()["products"][1] == {"id": "soap", "name": "", "mass_g": None, "price": None}

    def test_documents_of_before_read(self) -> None:
        product = Product("cola", "Cola", 535.0, 1.5, True, ("t1", "t2"))
        document = store(products=(product,)).to_dict()
        assert Store.from_dict(document).product_by_tag == {"t1": product, "t2": product}
        del document["products"][0]["by_weight"], document["products"][0]["tags"]
        assert Store.from_dict(document).products == (Product("cola", "Cola", 535.0, 1.5),)

    @pytest.mark.parametrize("document", [None, [], "fusion.store/1", {}, {"format": "fusion.store/2"}, {"format": []}])
    def test_another_format(self, document: Any) -> None:
        with pytest.raises(ValueError, match=r"must have format 'fusion.store/1'"):
            Store.from_dict(document)

    def test_the_refused_value_is_named(self) -> None:
        document = store().to_dict()
        document["products"][0]["mass_g"] = -1
        with pytest.raises(ValueError, match="mass_g of product 'cola' must be positive"):
            Store.from_dict(document)
        del document["products"][0]["mass_g"]
        with pytest.raises(ValueError, match=r"store document is incomplete or malformed: KeyError.*mass_g"):
            Store.from_dict(document)

    def test_every_missing_field_is_refused(self) -> None:
        for path in paths(store().to_dict()):
            if isinstance(path[-1], str):
                document = store().to_dict()
                del at(document, path[:-1])[path[-1]]
                if path[-1] in ("distortion", "size_px") or path[-2:] == ("box", "rotation"):
                    Store.from_dict(document)  # optional: the constructors have defaults
                else:
                    with pytest.raises(ValueError, match=r"must have format|incomplete or malformed"):
                        Store.from_dict(document)

    @pytest.mark.parametrize(
        "junk",
        [None, True, -1, 0, 10**400, 1.5, float("nan"), float("inf"), "", "x", "1", [], [[]], [None], {}, {"id": "x"}],
    )
    def test_junk_anywhere_is_refused_or_read(self, junk: Any) -> None:
        """Whatever stands wherever: a store that can be written again, or a ValueError; nothing else leaks."""
        refusals = 0
        for path in paths(store().to_dict()):
            document = store().to_dict()
            at(document, path[:-1])[path[-1]] = copy.deepcopy(junk)
            refusals += self.refused_or_read(document)
        assert refusals > 40

    @given(st.data())
    def test_several_damages(self, data: st.DataObject) -> None:
        scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
        junk = st.recursive(
            scalars, lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=3), x, max_size=3)
        )
        document = store().to_dict()
        for _ in range(data.draw(st.integers(1, 4))):
            path = data.draw(st.sampled_from(list(paths(document))))
            at(document, path[:-1])[path[-1]] = data.draw(junk)
        self.refused_or_read(document)

    @staticmethod
    def refused_or_read(document: Any) -> bool:
        try:
            it = Store.from_dict(document)
        except ValueError:
            return True
        json.dumps(it.to_dict(), allow_nan=False)
        return False


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*prefix, key)
        yield from paths(inner, (*prefix, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
