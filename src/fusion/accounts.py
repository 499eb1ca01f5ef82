"""Who is in the store, who pays for whom, and whose receipts can be written.

Whoever comes through the gate, is named by targets, or acts is on a visit until the gate tells that he left or nobody
has seen him for long. An account is open until all of its shoppers have left; the name of either may come again then.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fusion.observations import GateEvent


@dataclass(slots=True)
class Visit:
    """One shopper between coming and leaving.

    Parameters
    ----------
    payer : str
        His account, or himself.
    seen_ns : int
        When he was last seen, or passed the gate.
    left_ns : int, optional
        When he left.
    staff : bool
        Nothing of his is charged.
    absent : bool
        He is only taken to have left.
    contradicted : bool
        He came as one and left as another (other accounts, staff who had shopped), or tags speak against his basket.
    suspects : frozenset of str
        Products that are probably not what he has.
    """

    payer: str
    seen_ns: int
    left_ns: int | None = None
    staff: bool = False
    absent: bool = False
    contradicted: bool = False
    suspects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Party:
    """The shoppers of one account (or one who pays for himself); staff are left out.

    Parameters
    ----------
    payer : str
        The account, or the shopper.
    shoppers : tuple of str
        In the order in which they came.
    doubtful : bool
        Somebody's leaving, account, role or basket is in doubt.
    suspects : frozenset of str
        Products that are probably not what they have.
    """

    payer: str
    shoppers: tuple[str, ...]
    doubtful: bool
    suspects: frozenset[str] = frozenset()

    @property
    def members(self) -> tuple[str, ...]:
        """The shoppers, if they are others than the payer."""
        return () if self.shoppers == (self.payer,) else self.shoppers


class Visits:
    """All visits that have no final receipt yet.

    Parameters
    ----------
    absence_ns : int
        Whom nobody has seen for so long has left.
    employ : callable
        Takes somebody for staff; raises ValueError if he has acted as a shopper.
    """

    def __init__(self, absence_ns: int, employ: Callable[[str], None]) -> None:
        self._absence_ns, self._employ = absence_ns, employ
        self._visits: dict[str, Visit] = {}
        self._looked_ns = 0

    def see(self, shoppers: Iterable[str], time_ns: int) -> None:
        """Note who was seen; who was taken to have left is back."""
        for shopper in shoppers:
            visit = self._visits.setdefault(shopper, Visit(shopper, time_ns))
            if visit.left_ns is None:
                visit.seen_ns = max(visit.seen_ns, time_ns)
            elif visit.absent and time_ns > visit.left_ns:
                visit.seen_ns, visit.left_ns, visit.absent = time_ns, None, False

    def pass_gate(self, event: GateEvent) -> None:
        """Note who came or left; who comes back before his receipt is final goes on with his visit."""
        visit = self._visits.setdefault(event.shopper, Visit(event.shopper, event.time_ns))
        visit.seen_ns, visit.absent = event.time_ns, False
        visit.left_ns = event.time_ns if event.kind == "exit" else None
        if event.account is not None and visit.payer != event.account:
            visit.contradicted |= visit.payer != event.shopper
            visit.payer = event.account if visit.payer == event.shopper else visit.payer
        if event.role == "staff" and not visit.staff:
            try:
                self._employ(event.shopper)
                visit.staff = True
            except ValueError:  # what he took as a shopper is not forgotten: a person should look
                visit.contradicted = True

    def leave(self, shopper: str, time_ns: int) -> None:
        """Note that somebody left, as the cameras say."""
        self._visits[shopper].left_ns = time_ns

    def doubt(self, shoppers: Iterable[str], suspects: Iterable[str]) -> None:
        """Have a person look at what these shoppers pay, and at these products in particular."""
        for shopper in shoppers:
            self._visits[shopper].contradicted = True
            self._visits[shopper].suspects = frozenset(suspects)

    def miss(self, watched_ns: int, last_seen: Callable[[], dict[str, int]]) -> None:
        """Take those to have left whom nobody has seen for long, as of the last time that anybody looked."""
        if watched_ns - self._looked_ns < self._absence_ns // 8:
            return
        self._looked_ns = watched_ns
        for shopper, time_ns in last_seen().items():
            if shopper in self._visits:
                self.see((shopper,), time_ns)
        for visit in self._visits.values():
            if visit.left_ns is None and watched_ns - visit.seen_ns >= self._absence_ns:
                visit.left_ns, visit.absent = visit.seen_ns, True

    @property
    def shoppers(self) -> list[str]:
        """Everybody without a final receipt."""
        return list(self._visits)

    @property
    def left_ns(self) -> dict[str, int]:
        """When those left who did."""
        return {s: v.left_ns for s, v in self._visits.items() if v.left_ns is not None}

    def parties(self) -> list[Party]:
        """All accounts that are open, in the order in which they were opened."""
        groups: dict[str, list[str]] = {}
        for shopper, visit in self._visits.items():
            groups.setdefault(visit.payer, []).append(shopper)
        parties = []
        for payer, names in groups.items():
            visits = [self._visits[s] for s in names]
            shoppers = tuple(s for s, v in zip(names, visits, strict=True) if not v.staff)
            if shoppers:
                doubtful = any(v.absent or v.contradicted for v in visits)
                parties.append(Party(payer, shoppers, doubtful, frozenset().union(*(v.suspects for v in visits))))
        return parties

    def closing(self, safe_ns: int, held: set[str]) -> list[str]:
        """List the shoppers of accounts all of whose shoppers left before a time, and none of whom is held back."""
        waits = {v.payer for s, v in self._visits.items() if v.left_ns is None or v.left_ns >= safe_ns or s in held}
        return [s for s, v in self._visits.items() if v.payer not in waits]

    def close(self, shoppers: Iterable[str]) -> None:
        """Forget visits."""
        for shopper in shoppers:
            del self._visits[shopper]
