"""What the pages of a service share: models, accounts, sessions, the log, and the few estimates at work."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from predictor.service.accounts import Accounts, Limiter
from predictor.service.audit import AuditLog
from predictor.service.others import Others
from predictor.service.queues import Busy, Queue, estimating, printing
from predictor.service.sessions import Sessions
from predictor.service.shelf import Offered

__all__ = ["Busy", "Service"]


@dataclass
class Service:
    """What the pages work with.

    Parameters
    ----------
    shelf : tuple of Offered
    accounts : Accounts
    audit : AuditLog
    secure : bool
        Reached by TLS.
    demonstration : bool
    others : Others or None
        Other systems of the hospital; None where the service works with none.
    estimate_seconds : float
        After which an estimate is given up.
    """

    shelf: tuple[Offered, ...]
    accounts: Accounts
    audit: AuditLog
    secure: bool = False
    demonstration: bool = False
    others: Others | None = None
    estimate_seconds: float = 2.0
    sessions: Sessions = field(default_factory=Sessions)
    failures: Limiter = field(default_factory=lambda: Limiter(5, 15 * 60))
    estimates: Limiter = field(default_factory=lambda: Limiter(30, 60))
    batches: Limiter = field(default_factory=lambda: Limiter(5, 3600))
    estimating: Queue = field(default_factory=estimating)
    printing: Queue = field(default_factory=printing)

    def offered(self, id_: str) -> Offered:
        """Return a model by the name in its address.

        Raises
        ------
        HTTPException
            404.
        """
        found = next((one for one in self.shelf if one.id == id_), None)
        if found is None:
            raise HTTPException(404)
        return found

    def count_estimate(self, user: str) -> None:
        """Count an estimate of a user.

        Raises
        ------
        HTTPException
            429, where there were too many within a minute.
        """
        if self.estimates.spent(user):
            raise HTTPException(429)
        self.estimates.count(user)
