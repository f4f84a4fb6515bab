"""What stands between a request and its page: the cookie, the form's token, the role, and the templates."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import HTMLResponse, RedirectResponse

from predictor.data.accepted_units import unit_words
from predictor.errors import PredictorError
from predictor.reports.wording import capitalised, date_text, legible
from predictor.service.accounts import Role
from predictor.service.guard import BATCH_BYTES
from predictor.service.sessions import IDLE, Session
from predictor.service.state import Service

__all__ = [
    "Posted",
    "cookie_name",
    "current",
    "entry_token",
    "page",
    "read_posted",
    "require",
    "require_entry",
    "set_session",
    "state",
    "to_page",
    "told",
]

MOST_FIELDS = 200


class _InMemory(MultiPartParser):
    """Keeps a patient's file in memory, where the parser as it is would write a larger one to disk."""

    spool_max_size = BATCH_BYTES


@dataclass(frozen=True)
class Posted:
    """What a form brought: texts, and the content of files."""

    texts: Mapping[str, str]
    files: Mapping[str, bytes]

    @property
    def typed(self) -> Mapping[str, str]:
        """The texts without the form's token."""
        return {name: text for name, text in self.texts.items() if name != "token"}

    def text(self, name: str) -> str:
        """Return a text without the spaces around it; empty where it is missing."""
        return self.texts.get(name, "").strip()


def state(request: Request) -> Service:
    """Return the service that a request is for."""
    return cast(Service, request.app.state.service)


def cookie_name(service: Service, name: str) -> str:
    """Return how a cookie is called: under TLS so that no other host can set it."""
    return f"__Host-{name}" if service.secure else name


def current(request: Request) -> Session | None:
    """Return the session of a request, if there is one that is not over; also one that its answer opens."""
    service = state(request)
    opened: Session | None = getattr(request.state, "session", None)
    if opened is not None:
        return opened
    return service.sessions.find(request.cookies.get(cookie_name(service, "session")))


def require(request: Request, *roles: Role) -> Session:
    """Return the session, or refuse.

    Parameters
    ----------
    request : Request
    *roles : str
        Any of them; every role without one.

    Raises
    ------
    HTTPException
        401 or 403.
    """
    session = current(request)
    if session is None:
        raise HTTPException(401)
    if roles and session.role not in roles:
        state(request).audit.record("refused", user=session.user, outcome="403")
        raise HTTPException(403)
    return session


def set_session(request: Request, response: Response, session: Session | None) -> Response:
    """Give the browser a session, or take it away."""
    service = state(request)
    response.set_cookie(
        cookie_name(service, "session"),
        session.id if session else "",
        max_age=None if session else 0,
        httponly=True,
        secure=service.secure,
        samesite="strict",
        path="/",
    )
    return response


def entry_token(request: Request) -> str:
    """Return what ties a form before the sign-in to this browser."""
    return request.cookies.get(cookie_name(state(request), "entry")) or secrets.token_urlsafe(32)


def require_entry(request: Request, form: Posted) -> None:
    """Refuse a form before the sign-in that this browser did not get from us.

    Raises
    ------
    HTTPException
        403.
    """
    expected = request.cookies.get(cookie_name(state(request), "entry"), "")
    if not expected or not secrets.compare_digest(expected.encode(), form.text("token").encode()):
        raise HTTPException(403)


async def read_posted(request: Request, session: Session | None = None) -> Posted:
    """Read a form that came from one of our own pages.

    Parameters
    ----------
    request : Request
    session : Session, optional
        Whose token the form has to bring back.

    Raises
    ------
    HTTPException
        403 for a foreign page, 400 for too many fields.
    """
    require_own_page(request)
    form = await _parsed(request)
    try:
        texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        uploads = {name: value for name, value in form.multi_items() if isinstance(value, UploadFile)}
        files = {name: await value.read() for name, value in uploads.items()}
    finally:
        await form.close()
    if session is not None:
        require_token(session, texts.get("token", ""))
    return Posted(texts, files)


async def _parsed(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await request.form(max_fields=MOST_FIELDS)
    try:
        parser = _InMemory(request.headers, request.stream(), max_files=1, max_fields=MOST_FIELDS)
        return await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400) from error


def require_token(session: Session, token: str) -> None:
    """Refuse what does not bring back the session's token.

    Raises
    ------
    HTTPException
        403.
    """
    if not secrets.compare_digest(session.token.encode(), token.encode()):
        raise HTTPException(403)


def require_own_page(request: Request) -> None:
    """Refuse what a page of another site sends.

    A browser that is told to send no referrer names the origin of a form as ``null``; that it is ours it then says in
    ``Sec-Fetch-Site``. Behind a proxy that ends TLS the page was got by https, whether the proxy says so or not.

    Raises
    ------
    HTTPException
        403.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    scheme = "https" if state(request).secure else request.url.scheme
    own = f"{scheme}://{request.headers.get('host', '')}"
    foreign = origin not in (None, own) and not (origin == "null" and site == "same-origin")
    if foreign or site not in (None, "same-origin", "none"):
        raise HTTPException(403)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        loader=PackageLoader("predictor.service", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["date"] = date_text
    environment.filters["unit"] = unit_words
    return environment


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **content: Any,
) -> Response:
    """Write a page of the service.

    Parameters
    ----------
    request : Request
    template : str
    status : int
    headers : mapping, optional
    **content
        What the template asks for.
    """
    service, session = state(request), current(request)
    entry = entry_token(request)
    text = (
        _templates()
        .get_template(template)
        .render(
            session=session,
            token=session.token if session else entry,
            demonstration=service.demonstration,
            idle=int(IDLE),
            **content,
        )
    )
    response = HTMLResponse(text, status_code=status, headers=dict(headers or {}))
    if session is None:
        response.set_cookie(
            cookie_name(service, "entry"),
            entry,
            httponly=True,
            secure=service.secure,
            samesite="strict",
            path="/",
        )
    return response


def to_page(path: str) -> Response:
    """Send the browser to another page, after something was done."""
    return RedirectResponse(path, status_code=303)


def told(error: PredictorError) -> list[str]:
    """Return what is wrong and what to do, as lines for the summary above a form."""
    return [capitalised(f"{one.message}. {one.remedy}") for one in error.problems]
