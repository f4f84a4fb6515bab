"""scikit-learn's random forest, grown by its own compiled builder without the checks of every single tree.

With a few hundred patients two thirds of the time of `RandomForestClassifier.fit` go into cloning, validating and
seeding its trees in Python. Here the forest is validated once and each tree is handed to the same compiled builder with
the same random numbers, so the trees are those of scikit-learn, bit for bit; a test compares them. The builder is not
part of scikit-learn's public interface, which is why the package asks for one minor version of it.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._criterion import Gini
from sklearn.tree._splitter import BestSplitter
from sklearn.tree._tree import DepthFirstTreeBuilder, Tree
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["Forest"]

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
    random_state : int or None
        With the same number the trees equal those of ``RandomForestClassifier`` with these parameters.

    References
    ----------
    Breiman L. Random forests. Machine Learning 2001;45:5-32.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "max_features": [StrOptions({"sqrt"}), Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_features: str | float = "sqrt",
        random_state: int | None = None,
    ) -> None:
        super().__init__(
            n_estimators,
            max_depth=max_depth,
            min_samples_leaf=min_samples_leaf,
            max_features=max_features,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any) -> Forest:
        """Grow the trees.

        Parameters
        ----------
        X : array of shape (n, p)
        y : array of shape (n,)
        """
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_, self.n_outputs_ = len(self.classes_), 1
        target = np.ascontiguousarray(codes.reshape(-1, 1), dtype=np.float64)
        random = check_random_state(self.random_state)
        self.estimator_ = DecisionTreeClassifier()
        seeds = [int(random.randint(LARGEST_SEED)) for _ in range(self.n_estimators)]
        generator = np.random.RandomState()
        self.estimators_ = [self._grow(X, target, seed, generator) for seed in seeds]
        return self

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
        self, X: np.ndarray, target: np.ndarray, seed: int, generator: np.random.RandomState
    ) -> DecisionTreeClassifier:
        n, p = X.shape
        # Seeding one generator anew gives the numbers of a new one, a hundred times faster.
        generator.seed(seed)
        weight = np.bincount(generator.randint(0, n, n), minlength=n).astype(np.float64)
        generator.seed(seed)
        classes = np.array([self.n_classes_], dtype=np.intp)
        splitter = BestSplitter(
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
