"""What one simulated cohort is asked to contain, and its sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

__all__ = ["Missing", "Settings", "draw_sites", "open_streams"]

Missing = Literal["realistic", "mar", "none"]

STREAMS = (
    "patients",
    "courses",
    "outcomes",
    "ratings",
    "harms",
    "attendance",
    "follow_up",
    "gaps",
    "dates",
    "dirt",
)
CYTOKINE_SITES = 0.5
RANDOMISED_SITES = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a simulated cohort depends on.

    Parameters
    ----------
    patients : int
        Number of patients.
    seed : int
        Same settings and seed: the same cohort. Every kind of randomness has its own stream, so that
        switching one thing off leaves the rest as it was.
    sites : int
        Number of sites.
    scale : float
        Strength of all patient effects; 1.15 gives an oracle AUC of about 0.74.
    site_sd : float
        SD of the site intercepts.
    null : bool
        Strict null: scale 0, site SD 0, one dose and no rating error, so that nothing recorded before
        treatment says anything about the outcome. (With rating error the entry rating would: regression to
        the mean.)
    missing : {"realistic", "mar", "none"}
        ``realistic``: non-responders are lost more often (MNAR). ``mar``: the same gaps and the same
        drop-out rate, but drop-out depends on employment only. ``none``: every value is recorded.
    dirt : bool
        Results below detection as ``<0.4``, results in other units in a column of their own, exact
        duplicate rows.
    mislabelled_units : bool
        Put the results in other units into the main column, unmarked, for the unit guard to find.
    comparator : bool
        Whether some patients get active placebo; False treats everybody with ketamine.
    rating_error, unblinding : bool
        Whether ratings differ from true scores; whether dissociation flatters the rating of ketamine
        patients.
    site_seed : int or None
        Seed of the sites; give the same one twice for new patients of the same sites. None: follows ``seed``.
    """

    patients: int
    seed: int
    sites: int = 12
    scale: float = 1.15
    site_sd: float = 0.30
    null: bool = False
    missing: Missing = "realistic"
    dirt: bool = True
    mislabelled_units: bool = False
    comparator: bool = True
    rating_error: bool = True
    unblinding: bool = True
    site_seed: int | None = None

    def __post_init__(self) -> None:
        if self.patients < 1 or self.sites < 1:
            msg = f"a cohort needs at least one patient and one site, got {self.patients} and {self.sites}"
            raise ValueError(msg)
        if self.missing not in ("realistic", "mar", "none"):
            msg = f"missing must be 'realistic', 'mar' or 'none', got {self.missing!r}"
            raise ValueError(msg)


def open_streams(settings: Settings) -> Mapping[str, np.random.Generator]:
    """Return one independent generator per kind of randomness.

    Parameters
    ----------
    settings : Settings
        Only its seed is used.
    """
    children = np.random.SeedSequence(settings.seed).spawn(len(STREAMS))
    return {name: np.random.default_rng(child) for name, child in zip(STREAMS, children, strict=True)}


def draw_sites(settings: Settings) -> pd.DataFrame:
    """Draw the sites.

    Parameters
    ----------
    settings : Settings
        Number of sites, SD of their intercepts, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row per site: ``site`` (text), ``intercept``, ``randomised`` (a third of them),
        ``measures_cytokines`` (half).
    """
    seed = settings.seed if settings.site_seed is None else settings.site_seed
    # A second word keeps this stream apart from the patients' streams of the same seed.
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    n = settings.sites
    sd = 0.0 if settings.null else settings.site_sd
    return pd.DataFrame(
        {
            "site": [f"S{number:02d}" for number in range(1, n + 1)],
            "intercept": sd * rng.standard_normal(n),
            "randomised": rng.permutation(n) < round(n * RANDOMISED_SITES),
            "measures_cytokines": rng.permutation(n) < max(1, round(n * CYTOKINE_SITES)),
        }
    )
