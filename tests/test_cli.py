"""The command line, as a user meets it: output, exit codes, errors on stderr without a traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nanostore_files
from fusion import scoring


def fusion(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from fusion.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "160"} | environment,
    )


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def test_demo_tells_how_many_lines_are_right(tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    result = fusion("demo", "--seed", "1", "--duration", "30", "--out", out)
    assert result.returncode == 0, result.stderr
    right, of, total = result.stdout.splitlines()[-1].split()[:3]
    assert of == "of"
    assert 1 <= int(right) <= int(total)
    assert json.loads(out.read_text())["format"] == "fusion.outcome/1"


def test_simulate_then_replay(tmp_path: Path) -> None:
    recording, out = tmp_path / "r", tmp_path / "o.json"
    result = fusion("simulate", recording, "--seed", "5", "--duration", "25", "--shoppers", "2")
    assert result.returncode == 0, result.stderr
    result = fusion("replay", recording, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "receipt lines are right" in result.stdout
    outcome, truth = json.loads(out.read_text()), json.loads((recording / "truth.json").read_text())
    assert scoring.item_f1(scoring.units(truth), scoring.units(outcome)) > 0.5


def test_a_recording_is_not_overwritten(tmp_path: Path) -> None:
    refused(fusion("simulate", tmp_path), str(tmp_path))


def test_info_tells_versions_and_build() -> None:
    result = fusion("info", FUSION_BACKEND="reference")
    assert result.returncode == 0, result.stderr
    for word in ("fusion", "numpy", "backend", "reference", "-ffp-contract=off", "CPU features in use"):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "no/such/folder"], ["no/such/folder", "does not exist"]),
        (["replay", "."], ["is no recording"]),
        (["replay", ".", "--format", "csv"], ["format", "csv"]),
        (["replay", ".", "--backend", "cuda"], ["native, numba, reference", "cuda"]),
        (["replay"], ["Missing argument"]),
        (["dance"], ["dance"]),
        (["demo", "--seed", "-1"], ["--seed"]),
        (["demo", "--duration", "nan"], ["duration"]),
    ],
)
def test_bad_arguments_end_with_2(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    refused(fusion(*arguments, cwd=tmp_path), *words)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a simulated recording, ``r``, and its outcome, ``o.json``."""
    folder = tmp_path_factory.mktemp("told")
    arguments = ("--seed", "5", "--duration", "25", "--shoppers", "2")
    assert fusion("simulate", folder / "r", *arguments).returncode == 0
    assert fusion("replay", folder / "r", "--out", folder / "o.json").returncode == 0
    return folder


def test_explain_an_interaction_a_shopper_and_a_line(told: Path) -> None:
    outcome = json.loads((told / "o.json").read_text())
    receipt = next(r for r in outcome["receipts"] if r["lines"])
    line = receipt["lines"][0]
    shopper, product, interaction = receipt["shopper"], line["product"], line["interactions"][0]
    result = fusion("explain", told / "o.json", interaction, "--store", told / "r")
    assert result.returncode == 0, result.stderr
    assert f"interaction {interaction}" in result.stdout
    assert f"{shopper} took 1 x" in result.stdout
    for id, subject in ((shopper, "shopper"), (f"{shopper}/{product}", "line")):
        result = fusion("explain", told / "o.json", id, "--store", told / "r" / "store.json", "--json")
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        assert (document["format"], document["subject"]) == ("fusion.explanation/1", subject)
        assert interaction in [i["id"] for i in document["interactions"]]


def test_explain_what_is_none(told: Path, tmp_path: Path) -> None:
    refused(fusion("explain", told / "o.json", "9:99"), "nothing is called '9:99'")
    refused(fusion("explain", tmp_path / "none.json", "1:0"), "none.json", "cannot be read")
    hostile = tmp_path / "o.json"
    hostile.write_text((told / "o.json").read_text().replace('"final": true', '"final": "[red]yes"', 1))
    refused(fusion("explain", hostile, "1:0"), "o.json", "final", "bool")
    refused(fusion("explain", told / "o.json", "1:0", "--store", hostile), "o.json", "fusion.store/1")


def test_review_lists_what_a_look_settles(told: Path) -> None:
    result = fusion("review", told / "o.json", "--store", told / "r", "--json")
    assert result.returncode == 0, result.stderr
    items = json.loads(result.stdout)
    assert [item["saved"] for item in items] == sorted((item["saved"] for item in items), reverse=True)
    assert fusion("review", told / "o.json").returncode == 0
    refused(fusion("review", told / "o.json", "--review-cost", "-1"), "review_cost")


def test_learn_then_replay_with_what_was_learned(told: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs the extra learn")
    model = tmp_path / "deep" / "model"
    result = fusion("learn", told / "r", told / "r", "--out", model)
    assert result.returncode == 0, result.stderr
    assert "products moved at their places" in result.stdout
    assert json.loads((model / "masses.json").read_text())["format"] == "fusion.masses/1"
    assert json.loads((model / "confidence.json").read_text())["sessions"] == 2
    result = fusion("replay", told / "r", "--model", model, "--out", tmp_path / "o.json")
    assert result.returncode == 0, result.stderr
    assert "note: the model" not in result.stderr
    refused(fusion("learn", told / "r", "--out", model), "exists already")
    (model / "confidence.json").write_text("{}")
    refused(fusion("replay", told / "r", "--model", model), "confidence.json", "format")
    refused(fusion("replay", told / "r", "--model", tmp_path), "masses.json", "cannot be read")


def test_learn_without_a_truth(told: Path, tmp_path: Path) -> None:
    recording = tmp_path / "r"
    shutil.copytree(told / "r", recording)
    (recording / "truth.json").unlink()
    result = fusion("learn", recording, "--out", tmp_path / "model")
    assert result.returncode == 0, result.stderr
    assert "no recording has a truth" in result.stderr
    assert not (tmp_path / "model" / "confidence.json").exists()
    assert fusion("replay", recording, "--model", tmp_path / "model").returncode == 0


def test_a_damaged_recording_names_file_line_and_field(tmp_path: Path) -> None:
    nanostore_files.write(tmp_path / "r")
    plates = tmp_path / "r" / "plate_data.json"
    lines = plates.read_text().splitlines()
    plates.write_text("\n".join([lines[0], lines[0][: len(lines[0]) // 2]]))
    refused(fusion("replay", tmp_path / "r"), "plate_data.json, line 2")


def test_a_wrong_backend_variable_is_told() -> None:
    refused(fusion("info", FUSION_BACKEND="gpu"), "FUSION_BACKEND", "gpu")


def test_without_the_extra_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from fusion.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    refused(result, "walkout-fusion[cli]")
