"""scikit-learn's random forest and extra trees, grown by its own compiled builder without the checks of every tree.

With a few hundred patients two thirds of the time of `RandomForestClassifier.fit` go into cloning, validating and
seeding its trees in Python. Here the forest is validated once and each tree is handed to the same compiled builder with
the same random numbers, so the trees are those of scikit-learn, bit for bit; a test compares them. The builder is not
part of scikit-learn's public interface, which is why the package asks for one minor version of it.

Every tree leaves a third of the patients out, so a forest can be tuned on those at no further cost. Where patients form
groups, whole groups are drawn, or a patient's own group would be in the tree that is tested on it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._criterion import Gini
from sklearn.tree._splitter import BestSplitter, RandomSplitter
from sklearn.tree._tree import DepthFirstTreeBuilder, Tree
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["ExtraTrees", "Forest"]

LARGEST_SEED = np.iinfo(np.int32).max


class Forest(RandomForestClassifier):  # type: ignore[misc]
    """A random forest of bootstrapped Gini trees.

    Parameters
    ----------
    n_estimators : int
    max_depth : int or None
    min_samples_leaf : int
        Patients in a leaf, counted with their repetitions in the bootstrap.
    max_features : "sqrt" or float
        Features drawn at each split: √p, or a share of p in (0, 1].
    max_samples : int or None
        Most patients (or groups) drawn for a tree; None draws as many as there are.
    random_state : int or None
        With the same number the trees equal those of ``RandomForestClassifier`` with these parameters.

    References
    ----------
    Breiman L. Random forests. Machine Learning 2001;45:5-32.
    """

    _splitter: ClassVar[Any] = BestSplitter
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "max_features": [StrOptions({"sqrt"}), Interval(Real, 0, 1, closed="right")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_features: str | float = "sqrt",
        max_samples: int | None = None,
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            n_estimators,
            max_depth=max_depth,
            min_samples_leaf=min_samples_leaf,
            max_features=max_features,
            max_samples=max_samples,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any) -> Forest:
        """Grow the trees.

        Parameters
        ----------
        X : array of shape (n, p)
        y : array of shape (n,)
        """
        self._grow_all(X, y, None)
        return self

    def fit_out_of_bag(
        self, X: Any, y: Any, groups: np.ndarray | None = None, *, as_new: np.ndarray | None = None
    ) -> np.ndarray:
        """Grow the trees, and score every patient by the trees that were grown without its group.

        Parameters
        ----------
        X : array of shape (n, p)
        y : array of shape (n,)
            Two classes.
        groups : array of int of shape (n,), optional
            0, 1, …; drawn whole. Without it every patient is a group.
        as_new : ndarray of shape (n, p), optional
            The same patients as they are scored, where ``X`` was filled in with the help of their outcomes.

        Returns
        -------
        ndarray of shape (n,)
            Mean share of the second class; NaN for a patient whose group every tree has drawn.
        """
        return self._grow_all(X, y, groups, scored=X if as_new is None else as_new)

    def _grow_all(
        self, X: Any, y: Any, groups: np.ndarray | None, *, scored: np.ndarray | None = None
    ) -> np.ndarray:
        X, y = validate_data(self, X, y, dtype=np.float32)
        scored = None if scored is None else np.asarray(scored, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_, self.n_outputs_ = len(self.classes_), 1
        target = np.ascontiguousarray(codes.reshape(-1, 1), dtype=np.float64)
        random = check_random_state(self.random_state)
        self.estimator_ = DecisionTreeClassifier()
        seeds = [int(random.randint(LARGEST_SEED)) for _ in range(self.n_estimators)]
        generator = np.random.RandomState()
        labels = np.arange(len(X)) if groups is None else groups
        self.estimators_ = []
        total, times = np.zeros(len(X)), np.zeros(len(X))
        for seed in seeds:
            # Seeding one generator anew gives the numbers of a new one, a hundred times faster.
            generator.seed(seed)
            drawn = _draw(generator, labels, self.max_samples)
            tree = self._grow(X, target, drawn, seed, generator)
            self.estimators_.append(tree)
            if scored is not None:
                out = np.flatnonzero(drawn == 0)
                total[out] += tree.tree_.predict(scored[out])[:, 1] if len(out) else 0.0
                times[out] += 1
        return np.where(times > 0, total / np.maximum(times, 1), np.nan)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the mean of the trees' leaf shares.

        Parameters
        ----------
        X : array of shape (n, p)

        Returns
        -------
        ndarray of shape (n, classes)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        total = np.zeros((len(X), self.n_classes_))
        for one in self.estimators_:
            total += one.tree_.predict(X)
        return np.asarray(total / len(self.estimators_))

    def _grow(
        self,
        X: np.ndarray,
        target: np.ndarray,
        weight: np.ndarray,
        seed: int,
        generator: np.random.RandomState,
    ) -> DecisionTreeClassifier:
        p = X.shape[1]
        generator.seed(seed)
        classes = np.array([self.n_classes_], dtype=np.intp)
        splitter = self._splitter(
            Gini(1, classes), self._per_split(p), self.min_samples_leaf, 0.0, generator, None
        )
        split_from = max(2, 2 * self.min_samples_leaf)
        depth = np.iinfo(np.int32).max if self.max_depth is None else self.max_depth
        tree = Tree(p, classes, 1)
        DepthFirstTreeBuilder(splitter, split_from, self.min_samples_leaf, 0.0, depth, 0.0).build(
            tree, X, target, weight, None
        )
        return self._as_estimator(tree, p, seed)

    def _as_estimator(self, tree: Tree, p: int, seed: int) -> DecisionTreeClassifier:
        """Dress a compiled tree as the public estimator that explainers and the compact model read."""
        one = DecisionTreeClassifier(
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            random_state=seed,
        )
        one.tree_, one.n_features_in_, one.n_outputs_ = tree, p, 1
        one.classes_, one.n_classes_ = np.arange(self.n_classes_), self.n_classes_
        one.max_features_ = self._per_split(p)
        return one

    def _per_split(self, p: int) -> int:
        share = np.sqrt(p) if self.max_features == "sqrt" else float(self.max_features) * p
        return max(1, int(share))


class ExtraTrees(Forest):
    """Extremely randomised trees, bootstrapped so that they can be tuned out of bag.

    At each split a threshold is drawn at random for every drawn feature, and the best of these is taken: smoother than
    a random forest and many times cheaper on many patients, since nothing is sorted. With the same ``random_state`` the
    trees equal those of ``ExtraTreesClassifier(bootstrap=True)``.

    Parameters are those of `Forest`.

    References
    ----------
    Geurts, Ernst and Wehenkel (2006), Machine Learning 63:3-42.
    """

    _splitter: ClassVar[Any] = RandomSplitter


def _draw(generator: np.random.RandomState, groups: np.ndarray, most: int | None) -> np.ndarray:
    """How often each patient is drawn, groups being drawn whole and with replacement."""
    n = int(groups.max()) + 1
    size = n if most is None else min(n, most)
    return np.asarray(np.bincount(generator.randint(0, n, size), minlength=n).astype(np.float64)[groups])
