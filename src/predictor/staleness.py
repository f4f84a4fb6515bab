"""Values that are old on day 0: beyond their declared limit, or so old that the baseline window leaves them out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from predictor.cohort.selection import baseline_days
from predictor.config.schema import DECISION_TAKES
from predictor.study import Study

__all__ = ["old_values"]


def old_values(study: Study) -> list[str]:
    """Say of each feature how many patients have a value older than declared, or none but one from before the window.

    Parameters
    ----------
    study : Study
    """
    sources = {feature.source: None for feature in study.dataset.features}
    return [*_beyond_limit(study), *(line for source in sources if (line := _before_window(study, source)))]


def _beyond_limit(study: Study) -> Iterator[str]:
    config, dictionary = study.loaded.config, study.loaded.dictionary
    for feature in study.dataset.features:
        found = dictionary.find(feature.source)
        limit = found[2].max_age_days if found is not None else None
        if found is None or limit is None or feature.take in DECISION_TAKES:
            continue
        days = baseline_days(
            study.cohort.timeline,
            dictionary,
            feature.source,
            baseline=config.cohort.baseline,
            take=feature.take,
        )
        old = int((days.to_numpy(float) < -limit).sum())
        if old:
            yield (
                f"{feature.source} ({found[0].source.place}: {found[1]}): {old} of {int(days.notna().sum())} values "
                f"were measured more than {limit} days before day 0, the limit that the dictionary declares"
            )


def _before_window(study: Study, source: str) -> str:
    records, baseline = study.cohort.timeline.records, study.loaded.config.cohort.baseline
    own = records.loc[records["reference"] == source]
    day = own["day"].to_numpy(float)
    earlier, inside = day < baseline.first_day, (day >= baseline.first_day) & (day <= baseline.last_day)
    unit = own["unit"].to_numpy(int)
    only = len(np.setdiff1d(unit[earlier], unit[inside]))
    if not only:
        return ""
    found = study.loaded.dictionary.find(source)
    place = "" if found is None else f" ({found[0].source.place}: {found[1]})"
    return (
        f"{source}{place}: of {only} patients or courses the only values are from more than {-baseline.first_day} days "
        "before day 0, outside the baseline window, so they count as missing"
    )
