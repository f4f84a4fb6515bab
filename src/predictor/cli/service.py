"""Commands about the service of a clinic and its audit log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from predictor.cli.base import (
    Json,
    app,
    show,
)

__all__ = ["serve", "verify_log"]


audit_app = typer.Typer(help="The audit log of a service.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@app.command()
def serve(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Model folders, run folders, or run ids")
    ],
    state: Annotated[
        Path, typer.Option("--state", help="Folder of accounts and audit log, for the owner alone")
    ] = Path("service_state"),
    host: Annotated[str, typer.Option("--host", help="Address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM file of the TLS certificate")
    ] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="PEM file of its key")] = None,
    behind_proxy: Annotated[
        str | None,
        typer.Option("--behind-proxy", metavar="ADDRESS", help="Of the proxy that ends TLS before us"),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", help="A name under which browsers call the service")
    ] = None,
    partners: Annotated[
        Path | None,
        typer.Option("--partners", help="YAML file of the other systems: CDS Hooks and SMART launch"),
    ] = None,
    demonstration: Annotated[
        bool,
        typer.Option("--demonstration", help="Offer unsigned models, marked as such, to this machine only"),
    ] = False,
) -> None:
    """Open the service for clinicians: sign in, fill in a form, read a report."""
    from predictor.service.address import Address
    from predictor.service.supervisor import keep_serving

    address = Address(host, port, certificate, private_key, behind_proxy or "", tuple(allow_host or ()))
    keep_serving(models, state, address, demonstration=demonstration, say=show, warn=_warn, partners=partners)


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@audit_app.command("verify")
def verify_log(
    state: Annotated[Path, typer.Argument(metavar="STATE", help="The service's folder (its --state)")],
    as_json: Json = False,
) -> None:
    """Read the audit log from its first line to its last, and name what was changed."""
    from predictor.errors import ModelError
    from predictor.service.audit_verification import verify_audit

    lines, problems = verify_audit(state / "audit")
    if problems:
        raise ModelError(problems)
    show({"lines": lines} if as_json else f"{lines} lines, as they were written")
