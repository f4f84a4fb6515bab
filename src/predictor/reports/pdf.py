"""A report's HTML as PDF: printed by Chromium, and where there is none by WeasyPrint (the extra ``pdf``).

The browser runs as a process of its own in a folder of its own, asks no network, and is ended with all its children
when its time is over. A page that cannot be printed is still a page: whoever asks has the HTML already.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from predictor.errors import Problem, ResourceError
from predictor.reports.render import drawing_style

__all__ = ["BROWSERS", "print_pdf"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 20.0

# Nobody listens at the proxy: neither the page nor the browser itself reaches another machine. Without its compiler of
# scripts, of which the page has none, the browser needs no memory that is both written and run: a unit may deny that.
ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--js-flags=--jitless",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--no-pdf-header-footer",
)


def print_pdf(html: str, *, seconds: float = SECONDS, place: Path | None = None) -> bytes:
    """Print a page as its own style sheet says: paper, margins, page breaks.

    Parameters
    ----------
    html : str
        From `predictor.reports.render`: it loads nothing.
    seconds : float
        Longest time for the browser.
    place : Path, optional
        Where its folder is made, e.g. in memory; by default where temporary files are.

    Returns
    -------
    bytes
        A tagged PDF.

    Raises
    ------
    ResourceError
        ENV-04, with the reason, when neither Chromium nor WeasyPrint printed it.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    reason = "Chromium is not installed"
    if browser is not None:
        try:
            return _by_chromium(browser, html, seconds, place)
        except _NotPrintedError as error:
            reason = str(error)
    printed = _by_weasyprint(html)
    if printed is not None:
        return printed
    remedy = "Install Chromium or the extra pdf; the HTML can be printed from any browser"
    raise ResourceError(Problem("ENV-04", f"the report was not printed: {reason}", remedy))


class _NotPrintedError(Exception):
    """The browser gave no PDF; the text says why, and nothing of the page."""


def _by_chromium(browser: str, html: str, seconds: float, place: Path | None) -> bytes:
    with tempfile.TemporaryDirectory(prefix="predictor-pdf-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        page, pdf = folder / "page.html", folder / "page.pdf"
        page.write_text(html, encoding="utf-8")
        own = [f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={pdf}"]
        # Chromium has no sandbox for root. The page holds no script, and its policy would let none run.
        own += ["--no-sandbox"] if os.geteuid() == 0 else []
        code = _run([browser, *ARGUMENTS, *own, page.as_uri()], folder, seconds)
        printed = pdf.read_bytes() if pdf.is_file() else b""
        if not printed.startswith(b"%PDF-"):
            message = f"Chromium ended with code {code} and without a PDF"
            raise _NotPrintedError(message)
        return printed


def _run(command: list[str], folder: Path, seconds: float) -> int:
    """Run a program in a session of its own, and leave none of its children behind."""
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8"}
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        message = f"Chromium cannot be started ({os.strerror(error.errno or 0)})"
        raise _NotPrintedError(message) from error
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired as error:
        message = f"Chromium did not answer within {seconds:g} seconds"
        raise _NotPrintedError(message) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _by_weasyprint(html: str) -> bytes | None:
    """Print without a browser; None where the extra, or a library of the system that it needs, is missing."""
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError):
        return None
    nothing = URLFetcher(allowed_protocols=())
    # It takes the style of a drawing from the drawing alone.
    drawn = re.sub(r"<svg[^>]*>", lambda tag: f"{tag[0]}<style>{drawing_style()}</style>", html)
    printed: bytes = weasyprint.HTML(string=drawn, url_fetcher=nothing).write_pdf(pdf_tags=True)
    return printed
