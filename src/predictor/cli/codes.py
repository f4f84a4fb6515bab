"""The command that explains the codes of errors and checks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from predictor.cli.base import Json, app, fail_usage, show

__all__ = ["explain"]


@app.command()
def explain(
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="As a line gives them, e.g. CFG-01")],
    as_json: Json = False,
) -> None:
    """Explain codes of errors and checks: what each one means, and what to do."""
    from predictor.code_sections import code_section, known_codes

    wanted = [code.upper() for code in codes]
    unknown = [code for code in wanted if code not in known_codes()]
    if unknown:
        fail_usage(f"there is no code {', '.join(unknown)}", "Write one as a line gives it, such as CFG-01")
    sections = [code_section(code) for code in dict.fromkeys(wanted)]
    if as_json:
        show({"codes": [asdict(one) for one in sections]})
    else:
        show("\n\n".join(map(str, sections)))
