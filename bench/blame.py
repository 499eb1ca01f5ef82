"""What went wrong: weight events held against true events, and wrong receipt lines traced back to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fusion.simulation import Simulation
from fusion.simulation.clock import START_NS

SLACK_NS = 500_000_000
"""By which an event of the scales may begin later or end earlier than a load's true change."""
SURE = 0.5
"""A cause so probable counts as told."""

Cause = tuple[str, str, int]
"""Shopper, product and quantity, negative for a take."""


@dataclass(frozen=True)
class Finding:
    """One event, or line, and what became of it: `kind` is ``right`` or the kind of error."""

    kind: str
    time_s: float
    truth: tuple[Cause, ...]
    told: tuple[Cause, ...]
    note: str = ""


def judge_events(simulation: Simulation, outcome: dict[str, Any]) -> list[Finding]:
    """Hold every true take, return and hand-over, and every told one, against what corresponds to it."""
    real = [e for e in simulation.truth["events"] if e["kind"] in ("take", "return") and e["product"] is not None]
    others = [e for e in simulation.truth["events"] if e not in real and e["plates"]]
    changes = [i for i in outcome["interactions"] if i["kind"] != "touch" and i["plates"]]
    groups: dict[str, list[dict[str, Any]]] = {i["id"]: [] for i in changes}
    findings = []
    for event in real:
        near = [i for i in changes if _overlap(event, i)]
        if near:
            best = min(near, key=lambda i: (_distance(event, i), -len(set(event["plates"]) & set(i["plates"]))))
            groups[best["id"]].append(event)
        else:
            pressed = any(_overlap(event, i) for i in outcome["interactions"])
            findings.append(_finding("missed by the scales", [event], (), "told as a touch" if pressed else ""))
    for change in changes:
        told = _told(change)
        if groups[change["id"]]:
            findings.append(_judged(groups[change["id"]], told, change))
        elif told:
            near = [e for e in real + others if _overlap(e, change)]
            note = "split" if any(e in real for e in near) else near[0]["kind"] if near else "lean, hold or shaking"
            time_s = (change["start_ns"] - START_NS) / 1e9
            findings.append(Finding("told for nothing", time_s, (), told, f"{note}, {change['delta_g']:.0f} g"))
    return sorted([*findings, *_judge_meetings(simulation, outcome)], key=lambda f: f.time_s)


def blame_line(line: Any, truth: dict[str, Any], events: Sequence[Finding]) -> Finding:
    """Find the earliest error among the events that concern a wrong line."""
    members = {r["shopper"]: set(r.get("members", [])) | {r["shopper"]} for r in truth["receipts"]}
    mine = members.get(line.payer, {line.payer})
    key = ((line.payer, line.product, line.expected),), ((line.payer, line.product, line.told),)
    for event in events:
        concerns = any(s in mine and p == line.product for s, p, _ in event.truth + event.told)
        if event.kind != "right" and concerns:
            return Finding(event.kind, event.time_s, *key, event.note)
    for event in events:
        if event.kind != "right" and any(p == line.product for _, p, _ in event.truth + event.told):
            return Finding(f"another's: {event.kind}", event.time_s, *key, event.note)
    return Finding("no event is wrong", 0.0, *key)


def _judge_meetings(simulation: Simulation, outcome: dict[str, Any]) -> Iterator[Finding]:
    """Hold hands that met against what was handed over; of an engine that looks for none, nothing is expected."""
    met = [i for i in outcome["interactions"] if not i["plates"]]
    passed = [e for e in simulation.truth["events"] if e["kind"] == "pass" and met]
    for event in passed:
        true = (event["shopper"], event["product"], 1), (event["receiver"], event["product"], -1)
        near = [i for i in met if _distance(event, i) <= SLACK_NS]
        told = {cause for i in near for cause in _told(i)}
        kind = "right" if set(true) <= told else "wrong hand-over" if told else "hand-over undecided"
        yield Finding(kind if near else "hand-over missed", (event["time_ns"] - START_NS) / 1e9, true, tuple(told))
    for meeting in met:
        if _told(meeting) and not any(_distance(event, meeting) <= SLACK_NS for event in passed):
            yield Finding("handed over for nothing", (meeting["start_ns"] - START_NS) / 1e9, (), _told(meeting))


def _told(interaction: dict[str, Any]) -> tuple[Cause, ...]:
    sure = (c for c in interaction["candidates"] if c["probability"] >= SURE)
    return tuple((c["shopper"], c["product"], c["quantity"]) for c in sure)


def _judged(events: list[dict[str, Any]], told: tuple[Cause, ...], change: dict[str, Any]) -> Finding:
    truth = {}
    for event in events:
        key = event["shopper"], event["product"], event["kind"]
        truth[key] = truth.get(key, 0) + event["quantity"]
    true = {(s, p, -q if kind == "take" else q) for (s, p, kind), q in truth.items()}
    top = [(c["shopper"], c["product"], c["quantity"]) for c in change["candidates"][:1]]
    note = f"{change['delta_g']:.0f} g, {len(change['plates'])} plates"
    if true == set(told):
        return _finding("right", events, told, note)
    if len({e["time_ns"] for e in events}) > 1:
        whose = "two shoppers" if len({e["shopper"] for e in events}) > 1 else "one shopper"
        return _finding(f"merged, {whose}", events, told, note)
    if len(true) > 1:
        return _finding("several products at once", events, told, note)
    if not told:
        unsure = "right, but not sure" if top and top[0] in true else "undecided"
        none = sum(c["probability"] for c in change["candidates"]) < SURE
        return _finding("taken for nothing" if none else unsure, events, tuple(top), note)
    (shopper, product, quantity), (s, p, q) = next(iter(true)), told[0]
    wrong = [
        name
        for name, same in (
            ("shopper", s == shopper),
            ("product", p == product),
            ("quantity", abs(q) == abs(quantity)),
            ("direction", (q > 0) == (quantity > 0)),
        )
        if not same
    ]
    return _finding("wrong " + " and ".join(wrong) if wrong else "one thing too many", events, told, note)


def _finding(kind: str, events: list[dict[str, Any]], told: tuple[Cause, ...], note: str) -> Finding:
    truth = tuple(
        (e["shopper"], e["product"], -e["quantity"] if e["kind"] == "take" else e["quantity"]) for e in events
    )
    if any(e["misplaced"] for e in events):
        note += ", misplaced"
    return Finding(kind, (events[0]["time_ns"] - START_NS) / 1e9, truth, told, note.lstrip(", "))


def _overlap(event: dict[str, Any], interaction: dict[str, Any]) -> bool:
    return _distance(event, interaction) <= SLACK_NS and not set(event["plates"]).isdisjoint(interaction["plates"])


def _distance(event: dict[str, Any], interaction: dict[str, Any]) -> int:
    return max(0, interaction["start_ns"] - event["time_ns"], event["time_ns"] - interaction["end_ns"])
