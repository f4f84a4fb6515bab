"""What the service remembers of its work with other systems: who may call, and which cards it gave."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.errors import ConfigError, Problem
from predictor.interoperability.client_tokens import ClientTokens
from predictor.interoperability.partners import Partners, read_partners
from predictor.interoperability.smart_launch import Launches
from predictor.service.shelf import Offered

__all__ = ["CardBook", "Given", "Others", "open_others"]

MOST_CARDS, KEPT = 10_000, 24 * 3600.0


@dataclass
class Given:
    """A card that was given.

    Parameters
    ----------
    service : str
    issuer : str
        To whom.
    report : str
    made : float
    answered : bool
        Feedback on it was recorded.
    """

    service: str
    issuer: str
    report: str
    made: float
    answered: bool = False


class CardBook:
    """The cards of the last day, by their ids."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._cards: OrderedDict[str, Given] = OrderedDict()

    def add(self, uuid: str, *, service: str, issuer: str, report: str) -> None:
        """Remember a card; the oldest makes room."""
        with self._lock:
            while len(self._cards) >= MOST_CARDS:
                self._cards.popitem(last=False)
            self._cards[uuid] = Given(service, issuer, report, self._clock())

    def find(self, uuid: str, *, service: str, issuer: str) -> Given | None:
        """Return a card of this service and this client; None when it is unknown or older than a day."""
        with self._lock:
            found = self._cards.get(uuid)
        known = found is not None and (found.service, found.issuer) == (service, issuer)
        return found if known and found is not None and self._clock() - found.made <= KEPT else None


class Others:
    """Other systems of the hospital.

    Parameters
    ----------
    partners : Partners
    """

    def __init__(self, partners: Partners) -> None:
        self.partners = partners
        self.tokens = ClientTokens(partners.cds.clients) if partners.cds else None
        self.cards = CardBook()
        self.launches = Launches()


def open_others(path: Path, shelf: Sequence[Offered]) -> Others:
    """Read the file of partners, and look for the models that it names.

    Parameters
    ----------
    path : Path
    shelf : sequence of Offered

    Raises
    ------
    ConfigError
        Also CFG-27, for a model that is not served.
    """
    partners = read_partners(path)
    known = [one.id for one in shelf]
    asked = {"cds.model": partners.cds, "smart.model": partners.smart}
    problems = [
        Problem("CFG-27", "no such model is served", f"Write one of: {', '.join(known)}", key, str(path))
        for key, section in asked.items()
        if section is not None and section.model not in known
    ]
    if problems:
        raise ConfigError(problems)
    return Others(partners)
