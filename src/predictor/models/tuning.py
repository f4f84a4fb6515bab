"""Tune, then calibrate: one classifier that does both inside its own training part, by whole groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data
from threadpoolctl import threadpool_limits

from predictor.features.imputation import Draw
from predictor.features.preprocessing import Encoder, Table
from predictor.models.catalog import Family, family, family_candidates
from predictor.models.inner_folds import observed_splits
from predictor.models.missing_outcomes import draw_outcomes
from predictor.models.sigmoid import Scale, fit_sigmoid, log_loss, log_odds, score

__all__ = ["Tuned", "TunedClassifier", "encode_with", "fit_encoder", "fit_shared"]

OUT_OF_BAG = -1  # stands for the fold where trees were tuned on the patients they left out


class TunedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One model family, tuned by inner folds, calibrated on its out-of-fold scores, refitted on everything.

    Parameters
    ----------
    estimator : str
        Name in `predictor.models.catalog.FAMILIES`.
    preprocessor : Encoder, optional
        Fitted anew inside every inner training part, once for all candidates. Without it ``X`` is a numeric
        matrix.
    candidates : list of dict, optional
        Parameters to choose from by the lowest mean log loss; without it the family's default ones. The first
        of equals wins.
    inner_splits : int
        Inner folds, see `predictor.models.inner_folds.inner_splits`.
    calibration : {"auto", "none", "sigmoid"}
        ``auto``: one sigmoid for trees, none for logistic models.
    random_state : int, RandomState or None
        Of folds and trees.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The second one is the event.
    best_params_ : dict
    inner_log_loss_ : float
        Mean over patients, in nats, of the chosen candidate; for calibrated families after a calibration
        fitted on the other inner folds. Infinite where no inner split was possible.
    inner_results_ : list of dict
        ``candidate``, ``params``, ``fold``, ``n``, ``log_loss`` (before calibration) of every inner fit; fold -1 where
        trees were tuned out of bag.
    preprocessor_ : Encoder or None
    model_ : classifier
    calibration_ : tuple of (float, float) or None
        Slope and intercept: calibrated log-odds = intercept + slope × score. None where nothing was
        calibrated.
    seed_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    The sigmoid is fitted once on all inner out-of-fold scores of the chosen candidate, with a slope of at
    least 0 (Platt 1999). Below 100 events or non-events only its intercept is fitted: a slope needs more than
    that.
    """

    def __init__(
        self,
        estimator: str = "elastic_net",
        preprocessor: Encoder | None = None,
        candidates: list[dict[str, Any]] | None = None,
        inner_splits: int = 5,
        calibration: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.preprocessor = preprocessor
        self.candidates = candidates
        self.inner_splits = inner_splits
        self.calibration = calibration
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> TunedClassifier:
        """Tune, calibrate and refit.

        Parameters
        ----------
        X : DataFrame, or numeric array-like without a preprocessor, of shape (n, features)
        y : array-like of shape (n,)
            Two classes.
        groups : array-like of shape (n,), optional
            Patient or cluster, never on both sides of an inner split.
        """
        _fit_together([self], X, y, groups)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Calibrated log-odds of the second class, shape (n,)."""
        check_is_fitted(self, "model_")
        scale = self.family_.score
        return log_odds(score(self.model_, self.encode(X), scale), self.calibration_, scale)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Calibrated probabilities of both classes, shape (n, 2)."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: Any) -> np.ndarray:
        """Predict the more probable class, shape (n,)."""
        likely = self.decision_function(X) > 0
        return np.asarray(self.classes_[likely.astype(int)])

    def encode(self, X: Any) -> np.ndarray:
        """Matrix that the model itself sees, shape (n, encoded columns)."""
        check_is_fitted(self, "model_")
        if self.preprocessor_ is None:
            return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))
        validate_data(self, X, skip_check_array=True, reset=False)
        return encode_with(self.preprocessor_, X)

    @property
    def family_(self) -> Family:
        """The catalog's entry."""
        return family(self.estimator)


@dataclass(frozen=True)
class Tuned:
    """A tuned model, and what averaging needs to know of the patients it was tuned on.

    The log-odds are apart from the model because they are patients' rows, which no model keeps.

    Parameters
    ----------
    model : TunedClassifier
    log_odds : ndarray of shape (n,)
        Calibrated log-odds of each training patient by models and a calibration that have not seen that patient; NaN
        where no split tested it.
    """

    model: TunedClassifier
    log_odds: np.ndarray


def fit_shared(
    families: Sequence[str] | Mapping[str, str],
    preprocessor: Encoder | None,
    X: Any,
    y: Any,
    groups: Any = None,
    *,
    candidates: Mapping[str, list[dict[str, Any]]] | None = None,
    inner_splits: int = 5,
    calibration: str = "auto",
    random_state: int = 0,
) -> dict[str, Tuned]:
    """Tune several models on the same inner folds, encoding each of them only once.

    Parameters
    ----------
    families : sequence of str, or mapping of name to family
        What to fit; the names are the keys of the result.
    preprocessor : Encoder or None
        One for all.
    X, y, groups
        As in `TunedClassifier.fit`.
    candidates : mapping of name to list of dict, optional
        Candidates by name; families without an entry take their default ones.
    inner_splits, calibration, random_state
        As in `TunedClassifier`.

    Returns
    -------
    dict of str to Tuned
        Each one equal to what it would be if fitted alone.
    """
    named = families if isinstance(families, Mapping) else {name: name for name in families}
    models = {
        name: TunedClassifier(
            type_,
            preprocessor=preprocessor,
            candidates=(candidates or {}).get(name),
            inner_splits=inner_splits,
            calibration=calibration,
            random_state=random_state,
        )
        for name, type_ in named.items()
    }
    log_odds = _fit_together(list(models.values()), X, y, groups)
    return {name: Tuned(model, own) for (name, model), own in zip(models.items(), log_odds, strict=True)}


@dataclass(frozen=True)
class _Part:
    """Encoded patients, their outcomes as 0 and 1, their rows, and as new patients would be encoded if otherwise."""

    X: np.ndarray
    target: np.ndarray
    rows: np.ndarray
    as_new: np.ndarray | None = None


@dataclass
class _Tuning:
    """Scores of a model's candidates for patients they have not seen; NaN where nobody tested a patient."""

    model: TunedClassifier
    candidates: list[dict[str, Any]]
    scores: np.ndarray
    results: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, model: TunedClassifier, n: int, seed: int) -> _Tuning:
        candidates = model.candidates or family_candidates(model.estimator, seed=seed)
        return cls(model, candidates, np.full((n, len(candidates)), np.nan))

    @property
    def family(self) -> Family:
        return family(self.model.estimator)

    def make(self, candidate: int, seed: int) -> Any:
        return self.family.make(seed).set_params(**self.candidates[candidate])

    def try_on(self, fold: int, train: _Part, test: _Part, seed: int) -> None:
        """Score an inner test part by every candidate."""
        if self.family.out_of_bag:
            return
        if self.family.scores is not None:
            scores = self.family.scores(self.candidates, train.X, train.target, test.X, seed)
        else:
            models = [self.make(i, seed).fit(train.X, train.target) for i in range(len(self.candidates))]
            scores = np.column_stack([score(model, test.X, self.family.score) for model in models])
        self.scores[test.rows] = scores
        self._record(fold, scores, test.target)

    def _record(self, fold: int, scores: np.ndarray, target: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):  # scores that are no numbers are recorded as such
            losses = log_loss(target[:, None], log_odds(scores, None, self.family.score)).mean(axis=0)
        for number, (params, loss) in enumerate(zip(self.candidates, losses, strict=True)):
            self.results.append(
                {
                    "candidate": number,
                    "params": params,
                    "fold": fold,
                    "n": len(target),
                    "log_loss": float(loss),
                }
            )

    def finish(
        self, preprocessor: Any, everything: _Part, folds: np.ndarray, labels: np.ndarray | None, seed: int
    ) -> np.ndarray:
        """Choose, calibrate and fit on everybody; return each patient's log-odds by others, as in `Tuned`."""
        model, scale = self.model, self.family.score
        grown = self._grow_out_of_bag(everything, folds, labels, seed) if self.family.out_of_bag else []
        scored = np.isfinite(self.scores)
        # Parameters that never gave a number cannot be chosen, nor spoil the others.
        usable = scored.any(axis=0)
        tested = scored[:, usable].all(axis=1) if usable.any() else np.zeros(len(scored), dtype=bool)
        target, scores = everything.target[tested], self.scores[tested]
        mean = np.full(len(usable), np.inf)
        if tested.any():
            mean[usable] = log_loss(target[:, None], log_odds(scores[:, usable], None, scale)).mean(axis=0)
        best = int(np.argmin(mean))
        model.calibration_, model.inner_log_loss_ = None, float(mean[best])
        by_others = np.full(len(tested), np.nan)
        if tested.any():
            by_others[tested] = log_odds(scores[:, best], None, scale)
        if len(np.unique(target)) == 2 and _calibrates(model):
            model.calibration_ = fit_sigmoid(scores[:, best], target, scale)
            by_others[tested] = _calibrated_by_others(scores[:, best], target, folds[tested], scale)
            model.inner_log_loss_ = float(log_loss(target, by_others[tested]).mean())
        model.best_params_, model.inner_results_ = dict(self.candidates[best]), self.results
        model.preprocessor_, model.seed_ = preprocessor, seed
        model.model_ = grown[best] if grown else self.make(best, seed).fit(everything.X, everything.target)
        return by_others

    def _grow_out_of_bag(
        self, everything: _Part, folds: np.ndarray, labels: np.ndarray | None, seed: int
    ) -> list[Any]:
        """Fit every candidate on everybody and keep the scores of those whom its trees left out."""
        grown = [self.make(i, seed) for i in range(len(self.candidates))]
        for number, model in enumerate(grown):
            self.scores[:, number] = model.fit_out_of_bag(
                everything.X, everything.target, labels, as_new=everything.as_new
            )
        # Where no inner fold is possible, one class is in a single group, and nothing can be learned from scores.
        self.scores[folds < 0] = np.nan
        tested = np.isfinite(self.scores).all(axis=1)
        if tested.any():
            self._record(OUT_OF_BAG, self.scores[tested], everything.target[tested])
        return grown


def _fit_together(models: Sequence[TunedClassifier], X: Any, y: Any, groups: Any) -> list[np.ndarray]:
    """Fit models that share preprocessor, inner folds and seed; return the log-odds of each, as in `Tuned`."""
    first = models[0]
    for model in models:
        checked, target = _checked(model, X, y)
    given = None if groups is None else column_or_1d(groups)
    check_consistent_length(target, given)
    labels = None if given is None else np.unique(given, return_inverse=True)[1]
    seed = int(check_random_state(first.random_state).randint(2**31 - 1))
    read = checked if first.preprocessor is None else first.preprocessor.read(checked)
    folds = np.full(len(target), -1)
    # One thread for each fit: there are too few patients for more to pay, and no sum depends on the machine.
    with threadpool_limits(limits=1):
        tunings = [_Tuning.start(model, len(target), seed) for model in models]
        splits = observed_splits(target, labels, n_splits=first.inner_splits, seed=seed)
        for fold, (train, test) in enumerate(splits):
            folds[test] = fold
            if all(tuning.family.out_of_bag for tuning in tunings):
                continue
            preprocessor, encoded, learned = fit_encoder(
                first.preprocessor, _take(read, train), target[train]
            )
            part = _Part(encoded, learned, train)
            tested = _Part(encode_with(preprocessor, _take(read, test)), target[test].astype(np.int64), test)
            for tuning in tunings:
                tuning.try_on(fold, part, tested, seed)
        preprocessor, encoded, learned = fit_encoder(first.preprocessor, read, target)
        as_new = encode_with(preprocessor, read) if _knows_outcome(preprocessor) else None
        everything = _Part(encoded, learned, np.arange(len(target)), as_new)
        return [tuning.finish(preprocessor, everything, folds, labels, seed) for tuning in tunings]


def fit_encoder(
    preprocessor: Encoder | None, X: Any, target: np.ndarray
) -> tuple[Encoder | None, np.ndarray, np.ndarray]:
    """Fit a fresh copy of the preprocessor and encode its training part, whose outcomes may help to fill it in.

    Parameters
    ----------
    preprocessor : Encoder or None
    X : DataFrame, Table or ndarray of shape (n, features)
    target : ndarray of shape (n,)
        0 and 1, and NaN where an outcome was not observed and is to be imputed.

    Returns
    -------
    preprocessor : Encoder or None
    encoded : ndarray of shape (n, encoded columns)
    target : ndarray of int of shape (n,)
        Without a gap.
    """
    if preprocessor is None:
        return None, X, target.astype(np.int64)
    fitted = clone(preprocessor)
    if not np.isnan(target).any():
        return fitted, _at_least_one_column(fitted.fit_transform(X, target)), target.astype(np.int64)
    learned = draw_outcomes(fitted.fit(X).transform(X), target, Draw(**(fitted.imputation or {})))
    return fitted, _at_least_one_column(fitted.fit_transform(X, learned)), learned


def _knows_outcome(preprocessor: Encoder | None) -> bool:
    """Whether the encoded training part holds what its outcomes tell, and may therefore score nobody."""
    return preprocessor is not None and preprocessor.imputation is not None


def encode_with(preprocessor: Encoder | None, X: Any) -> np.ndarray:
    """Encode patients by a fitted preprocessor."""
    return X if preprocessor is None else _at_least_one_column(preprocessor.transform(X))


def _at_least_one_column(encoded: np.ndarray) -> np.ndarray:
    # A training part can leave nothing to encode, every input being constant or missing there. The prevalence
    # is then the right model, and scikit-learn fits it once there is a column, be it of zeros.
    return encoded if encoded.shape[1] else np.zeros((len(encoded), 1))


def _calibrates(model: TunedClassifier) -> bool:
    if model.calibration == "auto":
        return family(model.estimator).calibrate_by_default
    return model.calibration == "sigmoid"


def _calibrated_by_others(
    scores: np.ndarray, target: np.ndarray, folds: np.ndarray, scale: Scale
) -> np.ndarray:
    """Log-odds, calibrating each fold by a sigmoid of the others: no patient calibrates itself."""
    calibrated = np.empty(len(target))
    for fold in np.unique(folds):
        here = folds == fold
        others = ~here if len(np.unique(target[~here])) == 2 else np.ones(len(target), dtype=bool)
        sigmoid = fit_sigmoid(scores[others], target[others], scale)
        calibrated[here] = log_odds(scores[here], sigmoid, scale)
    return calibrated


def _checked(model: TunedClassifier, X: Any, y: Any) -> tuple[Any, np.ndarray]:
    """Check parameters and data, set ``classes_``, and give X and the outcomes as 0 and 1."""
    family(model.estimator)
    if model.calibration not in {"auto", "none", "sigmoid"}:
        msg = f"calibration must be auto, none or sigmoid; got {model.calibration!r}."
        raise ValueError(msg)
    if model.preprocessor is None:
        X, y = validate_data(model, X, y, dtype=np.float64)
    else:
        validate_data(model, X, skip_check_array=True)
        y = column_or_1d(y)
        check_consistent_length(X, y)
    known = _observed(model, y)
    return X, _as_target(model, y, known)


def _observed(model: TunedClassifier, y: np.ndarray) -> np.ndarray:
    """Whose outcome is there: everybody's, unless the preprocessor can impute what is not."""
    known = np.isfinite(y) if y.dtype.kind == "f" else np.ones(len(y), dtype=bool)
    if not known.all() and not _knows_outcome(model.preprocessor):
        msg = "Input y contains NaN: an outcome is missing, and only multiple imputation fills it in. Leave it out."
        raise ValueError(msg)
    return np.asarray(known)


def _as_target(model: TunedClassifier, y: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Check the outcomes that are there, set ``classes_``, and give them as 0 and 1, NaN where they are not."""
    every, y = y, y[known]
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind != "binary":
        msg = f"Only binary classification is supported. The type of the target is {kind}."
        raise ValueError(msg)
    model.classes_ = np.unique(y)
    if len(model.classes_) < 2:
        msg = "Two classes are needed to fit; y contains 1 class."
        raise ValueError(msg)
    return np.where(known, (every == model.classes_[1]).astype(np.float64), np.nan)


def _take(X: Any, rows: np.ndarray) -> Any:
    return X.take(rows) if isinstance(X, Table) else X[rows]
