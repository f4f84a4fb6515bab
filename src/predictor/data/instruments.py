"""Rating scales: what a total can be, which way it points, and where remission is put.

Totals only. Ranges are those of the full scale as published; a total outside its range is an error when a file is
read, never clipped. Item texts are deliberately absent: several scales are licensed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["INSTRUMENTS", "Instrument", "find_instrument", "similar_instruments"]


@dataclass(frozen=True)
class Instrument:
    """A rating scale's total.

    Parameters
    ----------
    name : str
        Name in dictionaries: ``instrument: madrs``.
    full_name : str
    low, high : float
        Smallest and largest possible total, both included.
    source : str
        Publication of the scale or of its scoring.
    direction : {"higher_is_worse", "higher_is_better"}
    remission_at_most : float or None
        Usual remission cut-off, included; a config may choose another. None where none is established.
    response_reduction : float or None
        Usual response rule: smallest reduction as a share of baseline. None where none is established.
    safety_item : int or None
        Number of the item about suicidal thoughts.
    loinc : str
        LOINC code of the total where confirmed, else empty.
    """

    name: str
    full_name: str
    low: float
    high: float
    source: str
    direction: Literal["higher_is_worse", "higher_is_better"] = "higher_is_worse"
    remission_at_most: float | None = None
    response_reduction: float | None = None
    safety_item: int | None = None
    loinc: str = ""


def _depression(
    name: str,
    full_name: str,
    high: float,
    source: str,
    *,
    remission: float,
    safety_item: int | None,
    loinc: str = "",
) -> Instrument:
    return Instrument(
        name,
        full_name,
        0,
        high,
        source,
        remission_at_most=remission,
        response_reduction=0.5,
        safety_item=safety_item,
        loinc=loinc,
    )


# Remission: MADRS ≤ 10 (ESCAPE-TRD, KetECT; TRANSFORM used ≤ 12); HAM-D 6 ≤ 4 corresponds to HAM-D 17 ≤ 7 (Carmody
# 2006); PHQ-9 below 5; BDI-II ≤ 12 and IDS-30 ≤ 13 vary by one point between authors. HAM-D 17 has versions that rate
# agitation up to 2 and end at 50. One scale a line, so that the table can be read as one.
# ruff: noqa: E501
_SCALES = (
    _depression("madrs", "Montgomery-Åsberg Depression Rating Scale", 60, "Montgomery & Åsberg 1979, Br J Psychiatry 134:382", remission=10, safety_item=10),
    _depression("hamd17", "Hamilton Depression Rating Scale, 17 items", 52, "Hamilton 1960, J Neurol Neurosurg Psychiatry 23:56", remission=7, safety_item=3),
    _depression("hamd6", "Hamilton Depression Rating Scale, six-item subscale", 22, "Bech et al. 1975, Acta Psychiatr Scand 51:161", remission=4, safety_item=None),
    _depression("qids_sr16", "Quick Inventory of Depressive Symptomatology, self-report", 27, "Rush et al. 2003, Biol Psychiatry 54:573", remission=5, safety_item=12),
    _depression("ids30", "Inventory of Depressive Symptomatology, 30 items", 84, "Rush et al. 1996, Psychol Med 26:477", remission=13, safety_item=18),
    _depression("phq9", "Patient Health Questionnaire-9", 27, "Kroenke et al. 2001, J Gen Intern Med 16:606", remission=4, safety_item=9, loinc="44261-6"),
    _depression("bdi2", "Beck Depression Inventory II", 63, "Beck, Steer & Brown 1996, manual", remission=12, safety_item=9),
    Instrument("gad7", "Generalised Anxiety Disorder-7", 0, 21, "Spitzer et al. 2006, Arch Intern Med 166:1092", loinc="70274-6"),
    Instrument("pcl5", "PTSD Checklist for DSM-5", 0, 80, "Blevins et al. 2015, J Trauma Stress 28:489"),
    Instrument("cadss", "Clinician-Administered Dissociative States Scale, 23 items", 0, 92, "Bremner et al. 1998, J Trauma Stress 11:125"),
    Instrument("cadss6", "Clinician-Administered Dissociative States Scale, six items", 0, 24, "doi:10.1016/j.jad.2020.12.119"),
    Instrument("ymrs", "Young Mania Rating Scale", 0, 60, "Young et al. 1978, Br J Psychiatry 133:429"),
    Instrument("cssrs_ideation", "Columbia-Suicide Severity Rating Scale, severity of ideation", 0, 5, "Posner et al. 2011, Am J Psychiatry 168:1266"),
    Instrument("ctq28", "Childhood Trauma Questionnaire, total of the 25 clinical items", 25, 125, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("ctq_ea", "Childhood Trauma Questionnaire, emotional abuse", 5, 25, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("ctq_pa", "Childhood Trauma Questionnaire, physical abuse", 5, 25, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("ctq_sa", "Childhood Trauma Questionnaire, sexual abuse", 5, 25, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("ctq_en", "Childhood Trauma Questionnaire, emotional neglect", 5, 25, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("ctq_pn", "Childhood Trauma Questionnaire, physical neglect", 5, 25, "Bernstein et al. 2003, Child Abuse Negl 27:169"),
    Instrument("audit", "Alcohol Use Disorders Identification Test", 0, 40, "Saunders et al. 1993, Addiction 88:791"),
    Instrument("audit_c", "Alcohol Use Disorders Identification Test, items 1 to 3", 0, 12, "Bush et al. 1998, Arch Intern Med 158:1789"),
    Instrument("msm", "Maudsley Staging Method", 3, 15, "Fekadu et al. 2009, J Clin Psychiatry 70:177"),
    Instrument("shaps", "Snaith-Hamilton Pleasure Scale, 0 or 1 per item", 0, 14, "Snaith et al. 1995, Br J Psychiatry 167:99"),
    Instrument("shaps_franken", "Snaith-Hamilton Pleasure Scale, 1 to 4 per item", 14, 56, "Franken et al. 2007, J Affect Disord 99:83"),
    Instrument("psqi", "Pittsburgh Sleep Quality Index", 0, 21, "Buysse et al. 1989, Psychiatry Res 28:193"),
)  # fmt: skip

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType({scale.name: scale for scale in _SCALES})


def find_instrument(name: str) -> Instrument | None:
    """Return the rating scale of that name; None where it is not known.

    Parameters
    ----------
    name : str
    """
    return INSTRUMENTS.get(name)


def similar_instruments(name: str) -> list[str]:
    """Return up to three known names that resemble ``name``, the closest first.

    Parameters
    ----------
    name : str
    """
    return difflib.get_close_matches(name.lower(), list(INSTRUMENTS), n=3, cutoff=0.5)
