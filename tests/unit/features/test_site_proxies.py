"""Missing values that say where a patient is treated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from predictor.features.site_proxies import find_site_proxies


def patients(**missing_by_site: dict[str, float]) -> tuple[pd.DataFrame, np.ndarray]:
    """Twenty patients at each of three sites; of every feature the given share is missing there."""
    site = np.repeat(np.array(["a", "b", "c"], dtype=object), 20)
    X = pd.DataFrame(1.0, index=range(60), columns=list(missing_by_site))
    for feature, shares in missing_by_site.items():
        for name, share in shares.items():
            X.loc[np.flatnonzero(site == name)[: round(20 * share)], feature] = np.nan
    return X, site


def test_a_feature_that_a_whole_site_lacks_is_found() -> None:
    X, site = patients(crp={"a": 1.0, "b": 0.1}, age={"a": 0.3, "b": 0.3, "c": 0.3})
    (found,) = find_site_proxies(X, site)
    assert (found.feature, found.without, found.sites) == ("crp", 1, 3)
    assert found.share == 20 / 22


def test_one_patient_with_a_value_does_not_hide_a_site() -> None:
    X, site = patients(crp={"a": 0.95, "b": 1.0})
    (found,) = find_site_proxies(X, site)
    assert (found.without, found.share) == (2, 1.0)


def test_a_feature_that_nobody_has_is_no_proxy() -> None:
    X, site = patients(crp={"a": 1.0, "b": 1.0, "c": 1.0})
    assert find_site_proxies(X, site) == []


def test_small_and_unknown_sites_are_not_judged() -> None:
    X, site = patients(crp={"a": 1.0})
    site[4:20] = ""  # four patients are left at the site without CRP
    assert find_site_proxies(X, site) == []
    assert find_site_proxies(X, np.full(60, "", dtype=object)) == []


def test_the_sentence_names_no_site() -> None:
    X, site = patients(crp={"a": 1.0})
    site[site == "a"] = "CanarySiteQ7"
    (found,) = find_site_proxies(X, site)
    assert "1 of 3 sites" in str(found)
    assert "Canary" not in str(found)
