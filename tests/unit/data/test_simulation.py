"""The simulated cohort against its specification: margins, truth, ratings, gaps, dirt, and the watermark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML
from scipy.special import expit, logit
from scipy.stats import kendalltau, norm
from sklearn.metrics import roc_auc_score

from predictor.config.dictionary import Dictionary
from predictor.config.schema import Config
from predictor.data.conform import read_tables
from predictor.data.simulation import SimulatedCohort, simulate_cohort, write_cohort
from predictor.data.simulation.outcomes import RatingModel, end_probability, label_probability, relapse_days
from predictor.data.simulation.patients import draw_patients, linear_predictor

CONFIGS = Path(__file__).parents[3] / "configs"
PLAIN = {
    "comparator": False,
    "rating_error": False,
    "unblinding": False,
    "missing": "none",
    "dirt": False,
}


@pytest.fixture(scope="module")
def plain() -> SimulatedCohort:
    """Everybody treated, nothing missing, ratings are the truth; so many sites that their mean is near 0."""
    return simulate_cohort(40_000, seed=11, sites=3000, **PLAIN)


@pytest.fixture(scope="module")
def full() -> SimulatedCohort:
    return simulate_cohort(40_000, seed=5)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return draw_patients(100_000, rng=np.random.default_rng(3))


def values(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return pd.to_numeric(table[column].replace("", None)).to_numpy(float)


def without_repeats(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates(ignore_index=True)


def test_response_and_remission_rates_are_those_of_the_specification(plain: SimulatedCohort) -> None:
    assert 0.515 <= plain.truth["p_true_end"].mean() <= 0.53
    assert 0.315 <= plain.truth["p_true_remission"].mean() <= 0.33


@pytest.mark.parametrize(("dose", "rate"), [(0.1, 0.36), (0.2, 0.40), (0.5, 0.53), (1.0, 0.54)])
def test_response_by_dose_is_that_of_the_specification(
    plain: SimulatedCohort, dose: float, rate: float
) -> None:
    truth = plain.truth
    assert truth.loc[truth["planned_dose"] == dose, "p_true_end"].mean() == pytest.approx(rate, abs=0.015)


def test_response_rises_with_dose(plain: SimulatedCohort) -> None:
    by_dose = plain.truth.groupby("planned_dose")["p_true_end"].mean()
    assert by_dose.is_monotonic_increasing
    assert list(by_dose.index) == [0.1, 0.2, 0.5, 1.0]


def test_what_an_oracle_reaches_is_that_of_the_specification(plain: SimulatedCohort) -> None:
    truth = plain.truth
    p, y = truth["p_true_end"].to_numpy(float), truth["response"].to_numpy(int)
    assert roc_auc_score(y, p) == pytest.approx(0.74, abs=0.006)
    assert np.mean((p - y) ** 2) == pytest.approx(0.207, abs=0.002)
    assert np.quantile(p, [0.05, 0.95]) == pytest.approx([0.17, 0.84], abs=0.01)
    log_lik = np.mean(y * np.log(p) + (1 - y) * np.log1p(-p))
    null = y.mean() * np.log(y.mean()) + (1 - y.mean()) * np.log1p(-y.mean())
    assert 1 - np.exp(2 * (null - log_lik)) == pytest.approx(0.167, abs=0.006)


def test_an_oracle_that_does_not_know_the_site_reaches_less(plain: SimulatedCohort) -> None:
    same_seed_without_sites = simulate_cohort(40_000, seed=11, sites=3000, site_sd=0.0, **PLAIN).truth
    auc = roc_auc_score(plain.truth["response"], same_seed_without_sites["p_true_end"])
    assert auc == pytest.approx(0.725, abs=0.006)


def test_end_probability_by_hand() -> None:
    found = end_probability(
        np.array([0.0, 0.0, 1.0]), true_baseline=np.array([30.0, 31.0, 40.0]), at_most=np.array([15, 15, 10])
    )
    # 100·(1 − 15/31) − 50 = 50/31; 100·(1 − 10/40) − 50 = 25.
    expected = [0.5, 1 / (1 + np.exp(50 / 31 / 18)), 1 / (1 + np.exp(25 / 18 - 1))]
    assert found == pytest.approx(expected, abs=1e-12)


def test_label_probability_agrees_with_drawing_many_ratings() -> None:
    rng = np.random.default_rng(0)
    n, baseline, eta, at_most = 400_000, 33.0, 0.4, 17.0
    improvement = 50 + 18 * (eta + rng.logistic(size=n))
    end = np.clip(np.ceil(baseline * (1 - improvement / 100)), 0, 60)
    rated = np.clip(np.round(end + 3 * rng.standard_normal(n)), 0, 60)
    exact = label_probability(
        np.array([eta]),
        true_baseline=np.array([baseline]),
        at_most=np.array([at_most]),
        ratings=RatingModel(),
    )
    assert exact[0] == pytest.approx(np.mean(rated <= at_most), abs=4 * 0.5 / np.sqrt(n))


def test_label_probability_without_rating_error_is_the_formula() -> None:
    eta, baseline, at_most = np.array([-1.0, 0.5]), np.array([25.0, 44.0]), np.array([12.0, 22.0])
    tiny = RatingModel(error_sd=1e-9)
    for ratings in (RatingModel(error_sd=0.0), tiny):
        found = label_probability(eta, true_baseline=baseline, at_most=at_most, ratings=ratings)
        assert found == pytest.approx(
            end_probability(eta, true_baseline=baseline, at_most=at_most), abs=1e-12
        )


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        ("p_true_end_ketamine", "response_ketamine"),
        ("p_true_end_comparator", "response_comparator"),
        ("p_true_remission_comparator", "remission_comparator"),
        ("p_response", "response_rated"),
        ("p_remission", "remission_rated"),
        ("p_dissociation_ketamine", None),
    ],
)
def test_probabilities_are_those_of_the_labels(
    full: SimulatedCohort, probability: str, label: str | None
) -> None:
    truth = full.truth
    if label is None:
        truth, label = truth[truth["treated"]], "dissociation"
    for arm in (True, False):
        part = truth[truth["treated"] == arm]
        if not len(part):
            continue
        for _, tenth in part.groupby(pd.qcut(part[probability], 10, duplicates="drop"), observed=True):
            p = tenth[probability].to_numpy(float)
            allowed = 4.5 * np.sqrt((p * (1 - p)).sum()) / len(p)
            assert tenth[label].mean() == pytest.approx(p.mean(), abs=allowed)


def test_the_rated_label_is_what_the_exported_scores_say() -> None:
    cohort = simulate_cohort(1500, seed=2, missing="none", dirt=False)
    start = pd.to_datetime(cohort.tables["treatments"]["started_at"])
    courses = cohort.tables["treatments"].assign(start=start)
    madrs = cohort.tables["assessments"].query("scale == 'MADRS'")
    madrs = madrs.assign(when=pd.to_datetime(madrs["assessed_at"]), score=values(madrs, "score"))
    joined = courses.merge(madrs, on="patient_id")
    days = (joined["when"].dt.normalize() - joined["start"].dt.normalize()).dt.days
    before = joined[(days >= -28) & (joined["when"] < joined["start"])].sort_values("when")
    week4 = joined[(days >= 28) & (days <= 31)].set_index("course_id")["score"]
    baseline = before.groupby("course_id")["score"].last()
    truth = cohort.truth.set_index("course_id")
    assert baseline.reindex(truth.index).tolist() == truth["madrs_rated_baseline"].tolist()
    response = (baseline - week4) / baseline >= 0.5
    assert response.reindex(truth.index).tolist() == truth["response_rated"].tolist()
    assert (week4 <= 10).reindex(truth.index).tolist() == truth["remission_rated"].tolist()


def test_strict_null_says_nothing_about_the_outcome() -> None:
    cohort = simulate_cohort(40_000, seed=21, null=True, missing="none", dirt=False, comparator=False)
    y = cohort.truth["response"].to_numpy(float)
    assert cohort.truth["response_rated"].mean() == pytest.approx(y.mean(), abs=0.03)
    assert roc_auc_score(y, cohort.truth["p_true_end"]) == pytest.approx(0.51, abs=0.008)
    assert cohort.truth["planned_dose"].unique().tolist() == [0.5]
    patients = cohort.tables["patients"].set_index("patient_id").loc[cohort.truth["patient_id"]]
    for column in (
        "age",
        "bmi",
        "n_failed_antidepressants",
        "episode_months",
        "benzodiazepine_mg",
        "processing_speed",
    ):
        assert abs(np.corrcoef(values(patients, column), y)[0, 1]) < 0.02
    assert abs(np.corrcoef(patients["family_history_aud"] == "yes", y)[0, 1]) < 0.02


def test_margins_are_those_of_the_specification(people: pd.DataFrame) -> None:
    assert people["age"].mean() == pytest.approx(45.0, abs=0.6)
    assert people["age"].between(18, 80).all()
    medians = {
        "bmi": 28,
        "crp": np.exp(0.272),
        "il6": 1.8,
        "adiponectin": 8,
        "bdnf": 22,
        "episode_months": 18,
    }
    for name, median in medians.items():
        assert people[name].median() == pytest.approx(median, rel=0.03), name
    assert (people["crp"] > 3).mean() == pytest.approx(0.27, abs=0.01)
    assert np.log(people["crp"]).std() == pytest.approx(1.348, abs=0.02)
    assert people["ctq"].median() == pytest.approx(25 + np.exp(3.0), abs=1)
    assert people["madrs"].mean() == pytest.approx(33, abs=0.25)
    assert people["madrs"].std() == pytest.approx(5.5, abs=0.25)
    assert people["madrs"].between(20, 56).all()
    assert people["n_failed"].min() == 2
    # P(2 failures) = P(lognormal(0.55, 0.70) < 1).
    assert (people["n_failed"] == 2).mean() == pytest.approx(norm.cdf(-0.55 / 0.70), abs=0.006)
    assert (people["benzodiazepine_mg"] > 0).mean() == pytest.approx(0.39, abs=0.006)
    prevalences = {"female": 0.62, "family_history_aud": 0.33, "suicide_attempt": 0.33, "ptsd": 0.14}
    prevalences |= {"anxious_depression": 0.59, "met_carrier": 0.33, "employed": 0.45}
    for name, share in prevalences.items():
        assert people[name].mean() == pytest.approx(share, abs=0.006), name


def test_correlations_are_those_of_the_copula(people: pd.DataFrame) -> None:
    declared = {
        ("bmi", "crp"): 0.40,
        ("crp", "il6"): 0.45,
        ("bmi", "il6"): 0.30,
        ("bmi", "adiponectin"): -0.35,
        ("crp", "adiponectin"): -0.20,
        ("age", "processing_speed"): -0.35,
        ("age", "episode_months"): 0.20,
        ("ctq", "gad7"): 0.25,
        ("madrs", "gad7"): 0.35,
        ("bdnf", "madrs"): 0.0,
        ("age", "bmi"): 0.0,
    }
    some = people.iloc[:20_000]
    for (first, second), r in declared.items():
        # Kendall's τ does not change with the margins: r = sin(π·τ/2) in a Gaussian copula.
        tau = kendalltau(some[first], some[second]).statistic
        assert np.sin(np.pi * tau / 2) == pytest.approx(r, abs=0.03), (first, second)
    for first, second, r in (("age", "n_failed", 0.20), ("n_failed", "episode_months", 0.35)):
        # Many ties in a small count; τ-b corrects for them approximately.
        assert np.sin(np.pi * kendalltau(some[first], some[second]).statistic / 2) == pytest.approx(
            r, abs=0.05
        )


def test_cortisol_falls_with_the_hours_since_waking(people: pd.DataFrame) -> None:
    slope = np.polyfit(people["hours_since_waking"], np.log(people["cortisol"]), 1)[0]
    assert slope == pytest.approx(-0.10, abs=0.003)


def one_patient(**changes: float) -> pd.DataFrame:
    usual = {
        "age": 45.0,
        "bmi": 28.0,
        "n_failed": 3.0,
        "episode_months": 18.0,
        "madrs": 33.0,
        "ctq": 45.0,
        "crp": 1.3,
    }
    usual |= {
        "processing_speed": -0.5,
        "adiponectin": 8.0,
        "bdnf": 22.0,
        "il6": 1.8,
        "cortisol": 400.0,
        "b12": 480.0,
    }
    usual |= {
        "gad7": 13.0,
        "family_history_aud": 0.0,
        "anxious_depression": 0.0,
        "suicide_attempt": 0.0,
        "ptsd": 0.0,
    }
    usual |= {"employed": 0.0, "met_carrier": 0.0, "female": 1.0, "benzodiazepine_mg": 0.0}
    return pd.DataFrame([usual | changes])


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ({}, {"family_history_aud": 1}, 0.50),
        ({}, {"suicide_attempt": 1}, -0.30),
        ({}, {"met_carrier": 1}, -0.40),
        ({}, {"employed": 1}, 0.25),
        ({}, {"anxious_depression": 1, "ptsd": 1}, -0.35),
        ({}, {"benzodiazepine_mg": 20}, -0.50),
        ({"benzodiazepine_mg": 40}, {"benzodiazepine_mg": 90}, 0.0),
        ({"bmi": 36}, {"bmi": 50}, 0.0),
        ({}, {"processing_speed": 0.5}, -0.20),
        # ln CRP has SD 1.348: −0.15 per SD, and +0.05 per SD where BMI ≥ 30.
        ({"crp": 1.0}, {"crp": np.exp(1.348)}, -0.15),
        ({"crp": 1.0, "bmi": 36}, {"crp": np.exp(1.348), "bmi": 36}, 0.05),
        ({}, {"adiponectin": 8 * np.exp(0.5)}, -0.20),
        ({}, {"episode_months": 18 * np.exp(1.1)}, -0.25),
        ({}, {"cortisol": 900, "il6": 20, "b12": 1000, "female": 0, "gad7": 21}, 0.0),
    ],
)
def test_linear_predictor_by_hand(
    before: dict[str, float], after: dict[str, float], difference: float
) -> None:
    patients = pd.concat([one_patient(**before), one_patient(**after)], ignore_index=True)
    eta = linear_predictor(patients, scale=2.0)
    assert eta[1] - eta[0] == pytest.approx(2.0 * difference, abs=0.012)


def test_severe_childhood_trauma_adds_a_step() -> None:
    patients = pd.concat([one_patient(ctq=c) for c in (53, 54, 55)], ignore_index=True)
    eta = linear_predictor(patients, scale=1.0)
    assert (eta[2] - eta[1]) - (eta[1] - eta[0]) == pytest.approx(0.25, abs=1e-9)


def test_benefit_is_18_points_on_average_and_known_for_every_patient(full: SimulatedCohort) -> None:
    truth = full.truth
    usual = truth[truth["planned_dose"] == 0.5]
    assert usual["benefit"].mean() == pytest.approx(18, abs=0.15)
    assert usual["benefit"].std() == pytest.approx(6, abs=0.12)
    gained = truth["improvement_ketamine"] - truth["improvement_comparator"]
    assert gained.to_numpy() == pytest.approx(truth["benefit"].to_numpy(), abs=1e-9)
    patients = without_repeats(full.tables["patients"]).set_index("patient_id")
    of_course = patients.loc[usual["patient_id"]]
    expected = usual["benefit_expected"].to_numpy()
    history, sedated = (
        (of_course["family_history_aud"] == "yes").to_numpy(),
        values(of_course, "benzodiazepine_mg") > 0,
    )
    assert expected[history].mean() > expected[~history].mean() + 3
    assert expected[sedated].mean() < expected[~sedated].mean() - 1


def test_treatment_is_randomised_in_a_third_of_the_sites_and_by_indication_elsewhere(
    full: SimulatedCohort,
) -> None:
    truth = full.truth
    assert truth.loc[truth["randomised"], "site"].nunique() == 4
    randomised, indicated = truth[truth["randomised"]], truth[~truth["randomised"]]
    assert randomised["treated"].mean() == pytest.approx(0.5, abs=0.02)
    assert (randomised["propensity"] == 0.5).all()
    treated = indicated["treated"]
    assert indicated.loc[treated, "madrs_true"].mean() > indicated.loc[~treated, "madrs_true"].mean() + 0.5
    doses = full.tables["treatments"].groupby("drug")["dose"].unique()
    assert set(doses["active_placebo"]) == {"0.0"}
    assert set(doses["ketamine_iv"]) == {"0.1", "0.2", "0.5", "1.0"}


def test_side_effects_are_those_of_the_specification(full: SimulatedCohort) -> None:
    rates = {
        "dissociation": (0.41, 0.09),
        "dizziness": (0.29, 0.08),
        "nausea": (0.28, 0.09),
        "headache": (0.20, 0.17),
        "anxiety": (0.13, 0.06),
        "blood_pressure_rise": (0.10, 0.03),
        "suicidality_worse": (0.02, 0.02),
    }
    truth = full.truth
    usual, placebo = truth[truth["treated"] & (truth["planned_dose"] == 0.5)], truth[~truth["treated"]]
    for harm, (ketamine, active_placebo) in rates.items():
        assert usual[harm].mean() == pytest.approx(ketamine, abs=0.012), harm
        assert placebo[harm].mean() == pytest.approx(active_placebo, abs=0.012), harm
    p = truth.groupby("planned_dose")["p_nausea_ketamine"].first()
    assert (logit(p) - logit(0.28)).tolist() == pytest.approx([-0.9, -0.5, 0.0, 0.4])


def test_age_and_ptsd_raise_only_their_own_harms(full: SimulatedCohort) -> None:
    patients = without_repeats(full.tables["patients"]).set_index("patient_id")
    truth = full.truth[full.truth["planned_dose"] == 0.5]
    of_course = patients.loc[truth["patient_id"]]
    ptsd, age = (of_course["ptsd"] == "yes").to_numpy(), values(of_course, "age")
    anxiety = logit(truth["p_anxiety_ketamine"].to_numpy())
    assert anxiety[ptsd].mean() - anxiety[~ptsd].mean() == pytest.approx(0.5)
    pressure = logit(truth["p_blood_pressure_rise_ketamine"].to_numpy())
    assert pressure[age == 70][0] - pressure[age == 50][0] == pytest.approx(0.8)
    assert pressure[age == 50][0] == pytest.approx(pressure[age == 20][0])
    assert truth["p_dizziness_ketamine"].nunique() == 1


def test_ratings_have_their_error_and_entry_ratings_are_inflated(full: SimulatedCohort) -> None:
    complete = simulate_cohort(20_000, seed=9, missing="none", dirt=False)
    error = complete.truth["madrs_rated_baseline"] - complete.truth["madrs_true"]
    assert error.mean() == pytest.approx(1.5, abs=0.1)
    # Rounding to whole points adds 1/12 to the variance.
    assert error.std() == pytest.approx(np.sqrt(9 + 1 / 12), abs=0.1)
    assert full.truth["response_rated"].mean() > full.truth["response"].mean() + 0.01


def test_dissociation_flatters_ketamine_ratings_only() -> None:
    blind = simulate_cohort(20_000, seed=4, missing="none", unblinding=False).truth
    seen = simulate_cohort(20_000, seed=4, missing="none").truth
    assert (seen["p_response_comparator"] == blind["p_response_comparator"]).all()
    assert (seen["p_response_ketamine"] > blind["p_response_ketamine"]).all()
    changed = seen["response_rated"] != blind["response_rated"]
    assert changed.any()
    assert (seen.loc[changed, "treated"] & seen.loc[changed, "dissociation"]).all()


def test_relapse_is_weibull_with_the_declared_medians_and_hazard_ratios() -> None:
    n = 200_000

    def draw(*, failed: float, weekly: bool, cbt: bool) -> NDArray[np.float64]:
        flags = (np.full(n, weekly), np.full(n, cbt))
        rng = np.random.default_rng(8)
        return relapse_days(n_failed=np.full(n, failed), weekly=flags[0], cbt=flags[1], rng=rng)

    usual = draw(failed=3, weekly=False, cbt=False)
    assert np.median(usual) == pytest.approx(40, abs=1)
    assert np.median(draw(failed=3, weekly=True, cbt=False)) == pytest.approx(95, abs=1)
    # Cumulative hazard at day 40 is ln 2; shape 1.2 makes it 2^1.2 times as much at day 80.
    assert -np.log((usual > 80).mean()) == pytest.approx(np.log(2) * 2**1.2, rel=0.02)
    assert -np.log((draw(failed=3, weekly=False, cbt=True) > 40).mean()) == pytest.approx(
        0.8 * np.log(2), rel=0.02
    )
    more = draw(failed=3 * np.e, weekly=False, cbt=False)
    assert -np.log((more > 40).mean()) == pytest.approx(1.15 * np.log(2), rel=0.02)


def test_gaps_have_the_declared_shares(full: SimulatedCohort) -> None:
    patients, draws = without_repeats(full.tables["patients"]), without_repeats(full.tables["biomarkers"])
    for column, share in {"processing_speed": 0.45, "bdnf_met_carrier": 0.55}.items():
        assert (patients[column] == "").mean() == pytest.approx(share, abs=0.01), column
    for column, share in {"adiponectin": 0.60, "bdnf": 0.60}.items():
        assert (draws[column] == "").mean() == pytest.approx(share, abs=0.01), column
    for column, other, share in (("crp", "crp_mg_dl", 0.25), ("cortisol", "cortisol_ug_dl", 0.40)):
        assert ((draws[column] == "") & (draws[other] == "")).mean() == pytest.approx(share, abs=0.01)
    site = patients.set_index("patient_id").loc[draws["patient_id"], "site"].to_numpy()
    measured = (draws["il6"] != "").groupby(site).mean()
    assert sorted(measured) == [0.0] * 6 + [1.0] * 6


def test_childhood_trauma_is_missing_more_often_in_men(full: SimulatedCohort) -> None:
    patients = without_repeats(full.tables["patients"])
    answered = full.tables["assessments"].query("scale == 'CTQ'")["patient_id"]
    missing = ~patients["patient_id"].isin(answered)
    assert missing.mean() == pytest.approx(0.20, abs=0.015)
    assert missing[patients["sex"] == "M"].mean() > missing[patients["sex"] == "F"].mean() + 0.05


def lost(cohort: SimulatedCohort) -> pd.DataFrame:
    """Whether a first course has no MADRS from day 14 on, with what that may depend on."""
    truth = cohort.truth.drop_duplicates("patient_id").set_index("patient_id")
    patients = without_repeats(cohort.tables["patients"]).set_index("patient_id").loc[truth.index]
    starts = (
        without_repeats(cohort.tables["treatments"])
        .drop_duplicates("patient_id")
        .set_index("patient_id")["started_at"]
    )
    madrs = cohort.tables["assessments"].query("scale == 'MADRS'")
    day0 = pd.to_datetime(starts).reindex(madrs["patient_id"]).dt.normalize().to_numpy()
    days = (pd.to_datetime(madrs["assessed_at"]).dt.normalize().to_numpy() - day0) / np.timedelta64(1, "D")
    seen = madrs.loc[(days >= 14) & (days <= 31), "patient_id"].unique()
    return pd.DataFrame(
        {
            "lost": ~truth.index.isin(seen),
            "responder": truth["response"],
            "employed": patients["employed"] == "yes",
        }
    )


def test_non_responders_are_lost_more_often(full: SimulatedCohort) -> None:
    found = lost(full)
    # logit −2.2 − 0.6·responder + 0.4·unemployed
    for (responder, employed), part in found.groupby(["responder", "employed"]):
        expected = expit(-2.2 - 0.6 * responder + 0.4 * (not employed))
        assert part["lost"].mean() == pytest.approx(expected, abs=0.012)


def test_missing_at_random_drop_out_ignores_the_response() -> None:
    found = lost(simulate_cohort(40_000, seed=6, missing="mar"))
    share = found.groupby(["employed", "responder"])["lost"].mean()
    assert share[True, True] == pytest.approx(share[True, False], abs=0.012)
    assert share[False, True] == pytest.approx(share[False, False], abs=0.012)
    assert share[False].mean() > share[True].mean() + 0.015


def test_nothing_is_missing_where_nothing_shall_be(plain: SimulatedCohort) -> None:
    for name, table in plain.tables.items():
        complete = table.drop(columns=["crp_mg_dl", "cortisol_ug_dl"], errors="ignore")
        assert not (complete == "").any(axis=None), name


def test_infusions_stop_at_about_4_per_cent_each() -> None:
    treatments = simulate_cohort(20_000, seed=3, missing="none", dirt=False).tables["treatments"]
    received = values(treatments, "infusions_received")
    assert set(np.unique(received)) == {1, 2, 3, 4, 5, 6}
    assert (received < 2).mean() == pytest.approx(0.04, abs=0.006)
    assert (received == 6).mean() == pytest.approx(0.96**5, abs=0.015)


def test_dirt_is_what_the_specification_says(full: SimulatedCohort) -> None:
    draws = full.tables["biomarkers"]
    assert set(draws.loc[draws["il6"].str.startswith("<"), "il6"]) == {"<0.4"}
    assert set(draws.loc[draws["crp"].str.startswith("<"), "crp"]) == {"<0.2"}
    numbers = pd.to_numeric(draws["il6"].mask(draws["il6"].str.startswith("<") | (draws["il6"] == "")))
    assert numbers.min() >= 0.4
    present = (draws["cortisol"] != "") | (draws["cortisol_ug_dl"] != "")
    assert (draws.loc[present, "cortisol_ug_dl"] != "").mean() == pytest.approx(0.01, abs=0.003)
    assert not ((draws["cortisol"] != "") & (draws["cortisol_ug_dl"] != "")).any()
    assert np.nanmax(values(draws, "cortisol_ug_dl")) < 62 < np.nanmin(values(draws, "cortisol")) + 3
    assert full.tables["assessments"].duplicated().mean() == pytest.approx(0.003, abs=0.0006)


def test_mislabelled_units_stand_unmarked_in_the_main_column() -> None:
    draws = simulate_cohort(20_000, seed=1, missing="none", mislabelled_units=True).tables["biomarkers"]
    assert (draws["cortisol_ug_dl"] == "").all()
    assert (values(draws, "cortisol") < 50).mean() == pytest.approx(0.01, abs=0.003)


def test_clean_export_has_no_dirt(plain: SimulatedCohort) -> None:
    assert not any(table.duplicated().any() for table in plain.tables.values())
    assert not plain.tables["biomarkers"].apply(lambda column: column.str.startswith("<")).any(axis=None)


def test_ratings_of_day_0_are_told_apart_by_their_time(full: SimulatedCohort) -> None:
    starts = without_repeats(full.tables["treatments"])
    only = starts.drop_duplicates("patient_id", keep=False).set_index("patient_id")["started_at"]
    madrs = full.tables["assessments"].query("scale == 'MADRS'")
    madrs = madrs[madrs["patient_id"].isin(only.index)]
    start, when = (
        pd.to_datetime(only.loc[madrs["patient_id"]]).to_numpy(),
        pd.to_datetime(madrs["assessed_at"]).to_numpy(),
    )
    same_day = start.astype("datetime64[D]") == when.astype("datetime64[D]")
    hours = (when[same_day] - start[same_day]) / np.timedelta64(1, "h")
    after = hours > 0
    assert set(hours[after]) == {4.0}
    assert 0 < after.mean() < 1
    draws = full.tables["biomarkers"]
    draws = draws[draws["patient_id"].isin(only.index)]
    assert (
        pd.to_datetime(draws["drawn_at"]).to_numpy()
        < pd.to_datetime(only.loc[draws["patient_id"]]).to_numpy()
    ).all()


def test_everything_is_watermarked(full: SimulatedCohort) -> None:
    for name, table in full.tables.items():
        assert (table["provenance"] == "SIMULATED").all(), name
        assert table["patient_id"].str.fullmatch(r"SIM-\d{6}").all(), name
        assert all(isinstance(cell, str) for cell in table.iloc[0]), name


def test_consent_and_second_courses(full: SimulatedCohort) -> None:
    patients = without_repeats(full.tables["patients"])
    assert len(patients) == 40_000
    assert (patients["research_consent"] == "no").mean() == pytest.approx(0.02, abs=0.003)
    assert (full.truth["patient_id"].value_counts() == 2).mean() == pytest.approx(0.03, abs=0.003)
    assert full.truth["course_id"].is_unique


def test_same_seed_same_cohort_and_another_seed_another() -> None:
    first, again, other = (simulate_cohort(300, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.truth, again.truth)
    for name in first.tables:
        pd.testing.assert_frame_equal(first.tables[name], again.tables[name])
    assert not first.truth["lp"].equals(other.truth["lp"])


def test_gaps_and_dirt_change_no_truth() -> None:
    clean, gaps = (simulate_cohort(500, seed=1, missing=m, dirt=m != "none") for m in ("none", "realistic"))
    same = [
        "lp_ketamine",
        "benefit",
        "end",
        "response",
        "p_true_end",
        "treated",
        "response_ketamine",
        "dissociation",
    ]
    pd.testing.assert_frame_equal(clean.truth[same], gaps.truth[same])


def test_site_seed_gives_new_patients_of_the_same_sites() -> None:
    def site_effects(seed: int, site_seed: int | None) -> pd.Series:
        options = {"sites": 4, "scale": 0.0, "comparator": False, "site_seed": site_seed}
        truth = simulate_cohort(2000, seed=seed, **options).truth
        return truth[truth["planned_dose"] == 0.5].groupby("site")["lp"].first()

    pd.testing.assert_series_equal(site_effects(1, 99), site_effects(2, 99))
    assert not site_effects(1, None).equals(site_effects(2, None))


@pytest.mark.parametrize("options", [{"sites": 0}, {"missing": "some"}])
def test_impossible_settings_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"at least one patient|missing must be"):
        simulate_cohort(10, seed=0, **options)


def test_written_files_hold_the_tables_and_the_truth_apart(tmp_path: Path) -> None:
    cohort = simulate_cohort(50, seed=1)
    written = write_cohort(cohort, tmp_path / "export")
    names = {path.name for path in written}
    assert names == {*(f"{name}.csv" for name in cohort.tables), "truth.csv", "README.txt"}
    assert names == {path.name for path in (tmp_path / "export").iterdir()}
    for name, table in cohort.tables.items():
        back = pd.read_csv(tmp_path / "export" / f"{name}.csv", dtype=str, keep_default_na=False)
        assert back.to_numpy().tolist() == table.to_numpy().tolist()
        assert not any(column.startswith(("p_", "lp", "benefit")) for column in back)
    truth = pd.read_csv(tmp_path / "export" / "truth.csv")
    assert (truth["provenance"] == "SIMULATED").all()
    assert truth["p_response"].to_numpy() == pytest.approx(cohort.truth["p_response"].to_numpy(), abs=1e-9)
    assert (tmp_path / "export" / "README.txt").read_text(encoding="utf-8").startswith("SIMULATED")


def test_dictionary_declares_the_columns_of_the_export() -> None:
    cohort = simulate_cohort(50, seed=1)
    text = (CONFIGS / "dictionaries" / "ketamine_simulated.yaml").read_text(encoding="utf-8")
    dictionary = Dictionary.model_validate(YAML(typ="safe").load(text))
    assert {name for name, _ in dictionary.tables()} == set(cohort.tables)
    for name, declared in dictionary.tables():
        headers = set(cohort.tables[name].columns)
        assert "SIMULATED" in declared.title
        assert all("SIMULATED" in (column.label or "") for column in declared.columns.values())
        assert declared.source.path == f"{name}.csv"
        if declared.layout == "long":
            assert set(declared.columns) == set(cohort.tables[name]["scale"])
            assert {declared.key, declared.name_column, declared.value_column} <= headers
        else:
            unread = {"patient_id", "provenance", "crp_mg_dl", "cortisol_ug_dl"}
            assert set(declared.columns) | unread == headers | unread


@pytest.mark.parametrize("options", [{}, {"missing": "none", "dirt": False}])
def test_the_strict_reader_accepts_the_export(tmp_path: Path, options: dict[str, object]) -> None:
    cohort = simulate_cohort(150, seed=1, **options)
    write_cohort(cohort, tmp_path)
    text = (CONFIGS / "dictionaries" / "ketamine_simulated.yaml").read_text(encoding="utf-8")
    dictionary = Dictionary.model_validate(YAML(typ="safe").load(text))
    tables = read_tables(
        dictionary, {name: tmp_path / table.source.path for name, table in dictionary.tables()}
    )
    for name, table in tables.items():
        assert len(table.frame) == len(without_repeats(cohort.tables[name])), name


def test_config_names_only_declared_columns_and_says_simulated() -> None:
    load = YAML(typ="safe").load
    config = Config.model_validate(load((CONFIGS / "ketamine_simulated.yaml").read_text(encoding="utf-8")))
    path = CONFIGS / config.data.dictionary
    dictionary = Dictionary.model_validate(load(path.read_text(encoding="utf-8")))
    named = [entry.column for group in config.features.groups.values() for entry in group]
    named += [
        str(config.severity),
        str(config.cohort.course),
        str(config.cohort.consent),
    ]
    assert [name for name in named if dictionary.find(name) is None] == []
    assert "SIMULATED" in config.experiment.question
