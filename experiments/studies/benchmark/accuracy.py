"""Ours against peers, paired over training sets that nobody had seen; calibration and optimism of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from metrics import mean_interval

__all__ = ["calibration_summary", "paired_differences"]


def paired_differences(ours: pd.DataFrame, peers: pd.DataFrame, *, metric: str = "log_loss") -> pd.DataFrame:
    """Compare every peer with ours on the replicates that both were trained on.

    Parameters
    ----------
    ours : DataFrame
        ``dataset``, ``replicate`` and ``metric``.
    peers : DataFrame
        The same, and ``peer`` and ``budget``.
    metric : str
        Lower is better.

    Returns
    -------
    DataFrame
        A row for each data set, peer and budget: ``difference`` is the mean of peer minus ours, above 0 where ours is
        better, with its 95 % t interval; ``best`` marks the peer with the lowest mean of each data set.
    """
    pairs = peers.merge(
        ours[["dataset", "replicate", metric]], on=["dataset", "replicate"], suffixes=("", "_ours")
    )
    table = pd.DataFrame(_difference_rows(pairs, metric))
    if table.empty:
        return table
    lowest = table.groupby("dataset")["peer_mean"].transform("min")
    return table.assign(best=table["peer_mean"] == lowest)


def _difference_rows(pairs: pd.DataFrame, metric: str) -> Iterator[dict[str, object]]:
    for (dataset, peer, budget), part in pairs.groupby(["dataset", "peer", "budget"]):
        mean, low, high = mean_interval((part[metric] - part[f"{metric}_ours"]).to_numpy())
        yield {
            "dataset": dataset,
            "peer": peer,
            "budget": budget,
            "replicates": len(part),
            "peer_mean": part[metric].mean(),
            "ours_mean": part[f"{metric}_ours"].mean(),
            "difference": mean,
            "low": low,
            "high": high,
            "ours_better_in": int((part[metric] > part[f"{metric}_ours"]).sum()),
        }


def calibration_summary(ours: pd.DataFrame) -> pd.DataFrame:
    """Average calibration slope and optimism of the internal AUC over training sets.

    Parameters
    ----------
    ours : DataFrame
        ``dataset``, ``slope``, ``internal_auc``, ``auc``, ``internal_log_loss`` and ``log_loss``, a row for each
        training set.

    Returns
    -------
    DataFrame
        Data set, quantity, number of training sets, mean, 95 % t interval and standard deviation. ``optimism_auc`` is
        internal minus test, ``optimism_log_loss`` test minus internal: above 0 the internal figure was too good.
    """
    quantities = ours.assign(
        optimism_auc=ours["internal_auc"] - ours["auc"],
        optimism_log_loss=ours["log_loss"] - ours["internal_log_loss"],
    )
    rows = []
    for dataset, part in quantities.groupby("dataset"):
        for name in ("slope", "citl", "optimism_auc", "optimism_log_loss"):
            mean, low, high = mean_interval(part[name].to_numpy())
            rows.append(
                {
                    "dataset": dataset,
                    "quantity": name,
                    "replicates": len(part),
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "sd": part[name].std(ddof=1),
                }
            )
    return pd.DataFrame(rows)
