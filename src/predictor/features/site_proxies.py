"""Missing values that say where a patient is treated and not how the patient is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["SiteProxy", "find_site_proxies"]

SMALLEST_SITE = 5
NEARLY_ALL, MOST = 0.95, 0.5


@dataclass(frozen=True)
class SiteProxy:
    """One feature that whole sites lack.

    Parameters
    ----------
    feature : str
    without, sites : int
        Sites that lack it, and sites judged.
    share : float
        Of the patients without it, those at such a site.
    """

    feature: str
    without: int
    sites: int
    share: float

    def __str__(self) -> str:
        return (
            f"{self.feature} is missing at {self.without} of {self.sites} sites as a whole ({self.share:.0%} of the "
            "patients without it): that it is missing says where a patient is treated, not how the patient is"
        )


def find_site_proxies(X: pd.DataFrame, site: np.ndarray) -> list[SiteProxy]:
    """Find features whose missing values follow the site.

    A feature is one when at least 95 % of the patients of some site lack it, and fewer than half of those of some
    other. Its indicator then stands for the site; imputing it borrows all of it from the other sites.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n, features)
    site : ndarray of str of shape (n,)
        Empty where unknown. Sites of fewer than five patients are not judged.

    Returns
    -------
    list of SiteProxy
        In the order of the columns; empty with fewer than two sites.
    """
    labels, counts = np.unique(site.astype(str), return_counts=True)
    judged = [name for name, n in zip(labels, counts, strict=True) if name and n >= SMALLEST_SITE]
    missing = X.isna().groupby(site.astype(str)).mean().reindex(judged)
    found = []
    for feature in X.columns:
        shares = missing[feature]
        whole = shares.index[shares >= NEARLY_ALL]
        if len(whole) and (shares < MOST).any():
            absent = X[feature].isna().to_numpy(bool)
            share = float(np.isin(site.astype(str)[absent], whole.astype(str)).mean())
            found.append(SiteProxy(str(feature), len(whole), len(judged), share))
    return found
