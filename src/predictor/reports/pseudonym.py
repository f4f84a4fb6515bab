"""What a clinic calls a patient on a page: a pseudonym, never a name, a birth date or a record number."""

from __future__ import annotations

import re

from predictor.reports.wording import say

__all__ = ["LONGEST_PSEUDONYM", "doubt_pseudonym"]

LONGEST_PSEUDONYM = 24
RECORD_DIGITS = 8
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})\b")


def doubt_pseudonym(text: str) -> str:
    """Say what a pseudonym looks like that it must not be; empty where nothing is wrong.

    A warning before a page is made, and no proof: it holds no part of the text.

    Parameters
    ----------
    text : str
        As the clinic typed it.

    Returns
    -------
    str
        A sentence, or nothing.
    """
    if DATE.search(text):
        return say("doubt_date")
    if len(re.sub(r"\D", "", text)) >= RECORD_DIGITS:
        return say("doubt_number")
    return say("doubt_name") if _is_like_a_name(text) else ""


def _is_like_a_name(text: str) -> bool:
    """Two words of letters, or one that is not all capitals; a code has a digit or is short."""
    if re.search(r"\d", text):
        return False
    words = re.findall(r"[^\W\d_]{2,}", text)
    longest = max(words, key=len, default="")
    caseless = longest.upper() == longest.lower()  # scripts without capitals
    return (
        len(words) >= 2 or (caseless and bool(longest)) or (len(longest) >= 3 and longest != longest.upper())
    )
