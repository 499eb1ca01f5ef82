"""Simulated sessions replayed and judged line by line; on two cores, results in order of the sessions."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import blame
from fusion import Engine, EngineSettings
from fusion.engine_settings import Payer
from fusion.simulation import Simulation

BINS = 10
"""Of the confidence, equally wide, for the expected calibration error."""
GRAMS, GRAMS_SHARE = 10.0, 0.03
"""Goods sold by weight are right to within the larger of these, grams and share."""


@dataclass(frozen=True)
class Line:
    """A product that somebody pays for, or should pay for.

    `confidence` is NaN where nothing is told; such a line is flagged if the receipt is.
    """

    payer: str
    product: str
    expected: int
    told: int
    right: bool
    confidence: float
    flagged: bool


@dataclass(frozen=True)
class Verdict:
    """What came of one session: lines, receipts that are right as a whole, and who is to blame for what is wrong."""

    session: Any
    lines: list[Line]
    receipts_right: list[bool]
    events: list[blame.Finding]
    wrong_lines: list[blame.Finding]

    @property
    def f1(self) -> float:
        """Item F1 of the session."""
        true = sum(line.expected for line in self.lines)
        told = sum(line.told for line in self.lines)
        both = sum(min(line.expected, line.told) for line in self.lines)
        return 2 * both / (true + told) if true + told else 1.0


def judge(session: Any, simulation: Simulation, receipts: str = "receipts") -> Verdict:
    """Replay a simulation, and compare with its truth; `receipts` names the policy's."""
    payer: Payer = "taker" if receipts == "receipts_by_taker" else "carrier"
    engine = Engine(simulation.store, EngineSettings(payer=payer))
    engine.push(simulation.observations)
    outcome = engine.finish().to_dict()
    truth = {**simulation.truth, "receipts": simulation.truth.get(receipts, simulation.truth["receipts"])}
    lines = compare(simulation, truth, outcome)
    payers = {r["shopper"] for r in truth["receipts"]} | {line.payer for line in lines}
    receipts_right = [all(line.right for line in lines if line.payer == payer) for payer in sorted(payers)]
    events = blame.judge_events(simulation, outcome)
    wrong = [blame.blame_line(line, truth, events) for line in lines if not line.right]
    return Verdict(session, lines, receipts_right, events, wrong)


def compare(simulation: Simulation, truth: dict[str, Any], outcome: dict[str, Any]) -> list[Line]:
    """Set what is told beside what is true; who shares an account pays together."""
    payer = {m: r["shopper"] for r in truth["receipts"] for m in r.get("members", [])}
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    review: dict[str, bool] = {}
    for receipt in outcome["receipts"]:
        who = payer.get(receipt["shopper"], receipt["shopper"])
        review[who] = review.get(who, False) or receipt["needs_review"]
        for line in receipt["lines"]:
            told.setdefault((who, line["product"]), []).append(line)
    expected = {(r["shopper"], line["product"]): line for r in truth["receipts"] for line in r["lines"]}
    lines = []
    for who, product in sorted(expected.keys() | told.keys()):
        mine = told.get((who, product), [])
        quantity = sum(line["quantity"] for line in mine)
        wanted = expected.get((who, product), {"quantity": 0})
        if simulation.store.product_by_id[product].by_weight:
            grams, weighs = sum(line.get("grams") or 0.0 for line in mine), wanted.get("grams", 0.0)
            right = bool(mine) == bool(weighs) and abs(grams - weighs) <= max(GRAMS, GRAMS_SHARE * weighs)
            quantity = wanted["quantity"] if right else min(quantity, 1) if not weighs else 0
        else:
            right = quantity == wanted["quantity"]
        confidence = min((line["confidence"] for line in mine), default=float("nan"))
        flagged = any(line["needs_review"] for line in mine) if mine else review.get(who, False)
        lines.append(Line(who, product, wanted["quantity"], quantity, right, confidence, flagged))
    return lines


def calibration_error(lines: Iterable[Line]) -> float:
    """Mean over lines that are told, by bins of confidence, of how far their share that is right is off."""
    told = [line for line in lines if line.confidence == line.confidence]
    error = 0.0
    for k in range(BINS):
        inside = [line for line in told if min(int(line.confidence * BINS), BINS - 1) == k]
        error += abs(sum(line.right for line in inside) - sum(line.confidence for line in inside))
    return error / max(len(told), 1)


def run(work: Callable[[Any], Verdict], sessions: list[Any], processes: int) -> Iterator[Verdict]:
    """Judge sessions in several processes."""
    if processes == 1:
        yield from map(work, sessions)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(work, sessions)


def share(right: Iterable[bool]) -> str:
    """Write a share, or a dash where there is nothing."""
    values = list(right)
    return f"{sum(values) / len(values):.4f}" if values else "-"


def mean_f1(verdicts: list[Verdict]) -> tuple[float, float]:
    """Item F1 over all units, and its mean over sessions."""
    lines = [line for verdict in verdicts for line in verdict.lines]
    everything = Verdict(None, lines, [], [], [])
    return everything.f1, sum(v.f1 for v in verdicts) / max(len(verdicts), 1)
