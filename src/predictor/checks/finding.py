"""What a check finds, and the catalogue of all checks: the documentation has one section for each code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import pandas as pd

from predictor.errors import Problem

__all__ = ["CHECKS", "Check", "Finding", "acknowledge", "findings_frame", "forbidding"]

Severity = Literal["error", "warning", "notice"]
ORDER: tuple[Severity, ...] = ("error", "warning", "notice")
PAGE = "docs/reference/checks.md"


@dataclass(frozen=True)
class Check:
    """One entry of the catalogue.

    Parameters
    ----------
    title : str
    severities : tuple of {"error", "warning", "notice"}
        Those that its findings may have. A leak of severity *error* forbids the training.
    when : {"before", "after"}
        Before the first fit, or on the finished training.
    meaning : str
        What is measured, from where on it counts, and what it says about the model.
    remedy : str
        What to do, as a sentence.
    """

    title: str
    severities: tuple[Severity, ...]
    when: Literal["before", "after"]
    meaning: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found. Never a patient's value or key.

    Parameters
    ----------
    code : str
        Key of `CHECKS`.
    severity : {"error", "warning", "notice"}
    subject : str
        Column, model or figure that it is about.
    finding : str
        What was measured, with its figures.
    acknowledged : str
        The reason that the config gives for going on in spite of an error; empty without one.
    file : str
        File of the column that it is about, as the dictionary names it; empty where it is about none.
    """

    code: str
    severity: Severity
    subject: str
    finding: str
    acknowledged: str = ""
    file: str = ""

    @property
    def remedy(self) -> str:
        """What to do, by the catalogue."""
        return CHECKS[self.code].remedy

    @property
    def page(self) -> str:
        """Where the documentation explains this code."""
        return f"{PAGE}#{self.code.lower()}"

    @property
    def explained(self) -> str:
        """Command that prints it."""
        return f"predictor explain {self.code}"

    @property
    def key(self) -> str:
        """How the config names this finding to acknowledge it."""
        return f"{self.code} {self.subject}"

    @property
    def problem(self) -> Problem:
        """The same as a line of an error."""
        remedy = f"{self.remedy}; see `{self.explained}`"
        if self.severity == "error":
            remedy += f". Where it is right, write the reason to validation.acknowledged under '{self.key}'"
        return Problem(self.code, self.finding, remedy, path=self.subject, file=self.file)

    def __str__(self) -> str:
        text = f"{self.code} {self.severity}: {self.finding}. {self.remedy} ({self.explained})."
        return f"{text} Acknowledged: {self.acknowledged.rstrip('.')}." if self.acknowledged else text


def acknowledge(findings: Iterable[Finding], reasons: Mapping[str, str]) -> tuple[Finding, ...]:
    """Write the config's reasons to the findings that they are about, the gravest first.

    Parameters
    ----------
    findings : iterable of Finding
    reasons : mapping of str to str
        Reason by `Finding.key`.
    """
    written = [replace(one, acknowledged=reasons.get(one.key, "")) for one in findings]
    return tuple(sorted(written, key=lambda one: (ORDER.index(one.severity), one.code)))


def forbidding(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the errors that nobody has acknowledged.

    Parameters
    ----------
    findings : iterable of Finding
    """
    return tuple(one for one in findings if one.severity == "error" and not one.acknowledged)


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay findings out as a table.

    Parameters
    ----------
    findings : iterable of Finding

    Returns
    -------
    pandas.DataFrame
        ``code``, ``severity``, ``subject``, ``finding``, ``remedy``, ``page``, ``acknowledged``.
    """
    columns = ["code", "severity", "subject", "finding", "remedy", "page", "acknowledged"]
    return pd.DataFrame([[getattr(one, name) for name in columns] for one in findings], columns=columns)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "P001": Check(
            "One feature tells the outcome by itself",
            ("error",),
            "before",
            "The area under the ROC curve of a single feature (or of the fact that it is missing) is above 0.95, and "
            "its lower limit, with an error of 5 % shared among all features, is above 0.80. Nothing that is known "
            "before a treatment comes near; a copy of the outcome does. Few patients cannot raise it: six responders "
            "who all lie above everybody else leave the limit below 0.80. Levels of a category are scored by the "
            "outcomes of other patients.",
            "Find out when and from what the column was recorded, and take it out of the features",
        ),
        "P002": Check(
            "A name or its timing suggests that a feature was recorded after the baseline",
            ("warning",),
            "before",
            "A column that is declared as known at the baseline, without a date or a day that would prove it, is "
            "called by a word such as followup, post, outcome or responder, or by a later time such as week4. Words "
            "such as previous or history take the suspicion away.",
            "Find out when it was recorded: declare its day or `known: after`, or give it a name that says what it is",
        ),
        "P003": Check(
            "A component of the outcome is among the features",
            ("error",),
            "before",
            "A feature has a correlation of at least 0.95 with the score after treatment, with the fall relative to "
            "the baseline score, or with the score after treatment given the baseline score, which is what a change "
            "score is made of. The lower limit of the correlation, with an error of 5 % shared among all features, is "
            "above 0.80.",
            "Take the column out of the features: it is made of what shall be predicted",
        ),
        "P004": Check(
            "A group carries the outcome",
            ("warning",),
            "before",
            "The outcomes of the other patients of the same site or cluster tell a patient's outcome with an AUC "
            "above 0.90 whose lower limit is above 0.80. Either outcomes were recorded differently, or a site treats "
            "other patients. Whatever is typical of a site then predicts the outcome, and will not elsewhere.",
            "Compare how the sites recorded the outcome, and judge the model by leaving whole sites out",
        ),
        "P005": Check(
            "The order of keys or rows carries the outcome",
            ("warning",),
            "before",
            "Patients sorted by their keys, or as they stand in the file, rank the outcome with an AUC above 0.80 "
            "whose lower limit is above 0.70. Keys given after the outcome was known, a file put together from "
            "responders and non-responders, or a change over the time of recruitment look like this.",
            "Find out how the keys were given and the file was made; features that follow the order are no predictors",
        ),
        "P006": Check(
            "The same patient stands under two keys",
            ("error", "warning"),
            "before",
            "Two patients with different keys, who may come to stand on both sides of a split, agree in every feature "
            "(error), or in at least nine of ten (warning), though values so rare are not expected to agree in any "
            "two patients of a cohort of this size. In cohorts of more than about 3,000 patients with a hundred "
            "features only full agreement is looked for.",
            "Compare the rows in the file: give one patient one key, or declare a group that keeps them together",
        ),
        "P007": Check(
            "Overfitting",
            ("warning",),
            "after",
            "On the patients it was fitted on, the final model has an AUC that is more than 0.10 above the one out of "
            "fold. The figure out of fold is the honest one; the distance says how much of the fit is memory. It is "
            "the optimism of the final model itself, to which the apparent AUC belongs. Forests remember every patient "
            "and show a distance however well they predict: compare the optimism that the bootstrap found.",
            "Offer fewer features, or models with a stronger penalty or larger leaves; collect more patients",
        ),
        "P008": Check(
            "The search ended at its edge",
            ("notice",),
            "after",
            "The final fit of a model that has a weight took the smallest or the largest value of a searched "
            "parameter with at least three values: a better value may lie outside.",
            "Widen `search` in that direction, unless the edge already is the simplest model there is",
        ),
        "P009": Check(
            "A fit did not converge",
            ("warning",),
            "after",
            "The final fit of a model stopped at its largest number of steps, or no inner split was possible, so that "
            "nothing was tuned. Its estimates are not those that the method defines.",
            "Raise `max_iter`, penalise more, or take out columns that nearly repeat each other; see that every inner "
            "fold can hold both outcomes",
        ),
        "P010": Check(
            "Miscalibration",
            ("warning",),
            "after",
            "Out of fold, the calibration slope lies outside 0.80 to 1.25 and its limits leave out 1; or the "
            "calibration intercept is more than 0.20 from 0, about five points of 100, and its limits leave out 0. A "
            "slope below 1 means estimates that are too extreme.",
            "Calibrate (`calibration: sigmoid`), or use the probabilities to rank only",
        ),
        "P011": Check(
            "Unstable predictions",
            ("warning",),
            "after",
            "Fitted again on another sample of the same patients, the procedure gives a patient a probability that is "
            "on average more than 10 points of 100 from the other fit's. What a patient is told then depends on who "
            "else happened to be in the study. Without refits, the repeats of the cross-validation are compared.",
            "Use fewer features or a stronger penalty, collect more patients, and show the range of each estimate",
        ),
        "P012": Check(
            "Sites differ",
            ("warning",),
            "after",
            "With a site left out, its observed share of responders is at least 5 points of 100 from the expected one "
            "and the limits leave the expected share out; or the sites' AUC differ by more than chance (Cochran's Q, "
            "p below 0.05). Only sites with 20 events and 20 non-events are judged.",
            "Recalibrate before use at a new site, and say so in the statements of use",
        ),
        "P013": Check(
            "The cross-validated score is no better than a permuted one",
            ("warning", "notice"),
            "after",
            "The outcomes of patients of the same plan are exchanged at random inside each outer fold, 200 times, "
            "under the same predictions; outcomes of a declared cluster stay together. A log loss above the mean of "
            "the exchanged ones says that the predictions add nothing to the plan (notice); above 95 % of them "
            "(warning), that they point the wrong way, as after a mistake in joining predictors and outcomes, or where "
            "the folds are too small.",
            "Expect no gain from these features; at a warning, first look how tables were joined and outcomes coded",
        ),
        "P014": Check(
            "Implausibly good",
            ("notice",),
            "after",
            "The AUC out of fold is 0.80 or more. Models of treatment response from baseline alone that hold up in "
            "new patients reach 0.65 to 0.75, so that a leak is more likely than a discovery.",
            "Before believing it, look at the features that carry most of it, and when each was recorded",
        ),
        "P015": Check(
            "Values of day 0 may come from after the start of the treatment",
            ("warning", "notice"),
            "before",
            "`cohort.baseline.same_day: include` lets all values of day 0 count as known. Some carry a time after that "
            "of day 0 itself (warning), or no time that would tell (notice): a score taken an hour after an infusion "
            "is a first outcome.",
            "Write `same_day: pre_dose_only`, or `exclude` where times are not recorded",
        ),
    }
)
