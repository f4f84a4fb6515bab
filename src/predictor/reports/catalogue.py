"""The message catalogue in English: every fixed sentence of a report, with named variables.

A sentence speaks of what the model estimates and of what happened to groups, never of what is going to
happen to a person or of what is to be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from predictor.reports.catalogue_page import PAGE

__all__ = ["MESSAGES"]

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        **PAGE,
        # titles and banners
        "title_estimate": "Treatment response estimate",
        "title_group_rate": "Treatment response: the group's rate",
        "title_refusal": "No estimate can be given for this patient",
        "simulated": "SIMULATED DATA: not real patients",
        "research_only": "RESEARCH ONLY: not shown to be better than the group's rate",
        "demonstration": "DEMONSTRATION: not signed for clinical use",
        "draft": "DRAFT: statements of the responsible people are not provided",
        "page_title": "{title}, report {id}",
        "page_mark": "Patient {pseudonym}, report {id}",
        "warning": "One input to your judgement, not a recommendation to treat or not to treat. It is not "
        "for emergencies, and it does not assess safety or suicide risk.",
        "doubt_name": "The pseudonym looks like a name: do not enter a name or record number",
        "doubt_date": "The pseudonym looks like a date of birth: do not enter a name or record number",
        "doubt_number": "The pseudonym looks like a record number: do not enter a name or record number",
        # 1. the estimate
        "estimate_of": "people with these recorded values, given this treatment, would respond.",
        "estimate_without": "It does not show what would happen without it: placebo response, natural "
        "recovery and regression to the mean are included.",
        "range": "Plausible range: {range} of 100",
        "range_method": "({method}). It does not cover the choice and tuning of the model, what was not measured, or "
        "other sites. For any one person the outcome is still uncertain.",
        "method": "{percent} percentile over {refits} refits",
        "method_gaps": "{percent} percentile over {refits} refits, widened to what the missing inputs may be",
        "coverage": "How often such ranges hold the true probability is known from simulation only.",
        "definition": "means {definition}.",
        "comparison_plan": "{base} of 100 development patients with the same plan responded ({n} patients). "
        "This patient's estimate is",
        "comparison_all": "{base} of 100 development patients responded ({n} patients). This patient's "
        "estimate is",
        "continuous": "{mean} {unit} ({lo} to {hi}). {coverage}",
        "icon_title": "Icon array: {count} of 100",
        "icon_description": "100 circles. {filled} are filled: the estimate. Circles {first} to {hi} have a "
        "thick outline: the plausible range; the filled ones among them are hatched.",
        "icon_description_exact": "100 circles. {filled} are filled: the estimate. The plausible range is "
        "one number.",
        "icon_key": "Filled: the estimate. Thick outline: the plausible range.",
        # 2. applicability
        "usable": "Usable.",
        "caution_1": "Use with caution: 1 point to check.",
        "caution": "Use with caution: {k} points to check.",
        "like": "Nothing speaks against it.",
        "like_caution_1": "1 point to check.",
        "like_caution": "{k} points to check.",
        "imputed_between": "{meaning}. With real values the estimate could lie between {lo} and {hi} of 100",
        "imputed_beyond": "{between}. That they were not recorded counts in the estimate too, so that it lies "
        "outside",
        # 3. contributions
        "typical": "typical {value}",
        "phrase_higher": "higher {label}",
        "phrase_lower": "lower {label}",
        "start_plan": "Starting from {start}, the model's average for this plan (the group's observed rate "
        "was {base}), this patient's values move the estimate by these points (of 100).",
        "start_all": "Starting from {start}, the model's average (the group's observed rate was {base}), "
        "this patient's values move the estimate by these points (of 100).",
        "association": "These are associations in past data, not causes;",
        "association_rest": "changing a value would not necessarily change the outcome.",
        "others": "All {n} other inputs",
        "others_1": "1 other input",
        "others_plan": "All other inputs and what is left of the plan",
        "words_raise": "{inputs} went with more responses in past data.",
        "words_lower": "{inputs} went with fewer responses in past data.",
        "words_none": "No single input moves this estimate by a whole point of 100.",
        # 4. another plan
        "whatif": "Estimated responders of 100, with the range. {evidence}; differences between cells "
        "smaller than their ranges should not guide dosing or the choice of treatment.",
        "whatif_column": "Responders of 100 (range)",
        "whatif_beside": "Beside the planned one",
        "band_by": "{band}, at {dose}",
        "evidence_randomised": "The plans were dealt by chance in the development data",
        "evidence_observed": "The model has seen no randomised comparison of plans",
        "difference": "{points} ({lo} to {hi}).",
        "not_told_apart": "The model does not tell these two plans apart.",
        "more": "{n} more",
        "fewer": "{n} fewer",
        "no_difference": "no difference",
        "whatif_absent": "Not shown: the development data do not support a comparison with another plan.",
        "support": "not shown: fewer than {n} patients",
        # 5. inputs
        "imputed": "with values it may have: {lo} to {hi} of 100",
        "imputed_together": "with values the gaps may have: {lo} to {hi} of 100",
        "missing": "Missing",
        "unread": "Cannot be read",
        "not_used": "Not used",
        "entered": "as entered",
        "flagged": "Only inputs that are missing, old or converted are listed here; all {n} inputs are in "
        "the annex.",
        "flagged_none": "No input is missing, old or converted; all {n} inputs are in the annex.",
        "flagged_undated": "No input is missing or converted, {undated} of {n} came without a date; all are in the "
        "annex.",
        "flagged_more": "{n} more are marked in the annex.",
        # 6. performance
        "never_tested": "Never tested outside the clinics it was built in.",
        "plain_tested": "Of 100 test patients given an estimate of {threshold} or more, {above} responded "
        "and {above_not} did not. Of 100 given less than {threshold}, {below} responded all the same.",
        "plain_development": "Each development patient was estimated by models that had not seen that "
        "patient. Of 100 given an estimate of {threshold} or more, {above} responded and {above_not} did "
        "not. Of 100 given less than {threshold}, {below} responded all the same.",
        "so_low": "So a low estimate is",
        "so_low_not": "not",
        "so_low_rest": "a reason by itself to withhold treatment, and a high one is no promise.",
        "calibration": "slope {slope} (1 is ideal), intercept {intercept} (0 is ideal)",
        "ranking": "Of 100 pairs of one responder and one non-responder, {pairs} are put in the right order "
        "(50 is chance). AUC {auc}, {level} % limits.",
        "coverage_in_simulation": "In simulation such ranges held the true probability for 65 to 94 of 100 patients, "
        "least often where it was very low or very high",
        "not_tested_in": "Patients of any clinic that is not in the development data",
        # 7. before you decide
        "not_covered": "Not covered: safety (blood pressure, dissociation, bladder, misuse), cost, "
        "preference, relapse after the course, other treatments.",
        "not_covered_named": "Not covered: {items}.",
        "judgement": "If your own judgement differs from the estimate, trust the fuller picture and record "
        "why.",
        "judgement_group": "If your own judgement of this patient differs from the group's rate, trust the "
        "fuller picture and record why.",
        "discuss": "Discuss with the patient as “about {count} of 100 people with values like yours, given "
        "this treatment, would respond”, with the range, and what happens if it does not work.",
        "discuss_group": "Discuss with the patient as “of {n} people who started this treatment in the "
        "study, {responders} responded; nobody can yet say who”, and what happens if it does not work.",
        "suicidality": "Suicidality not assessed",
        "suicidality_rated": "rated {rating} before day 0",
        # group page
        "group_rate": "{responders} of {n} patients who started {treatment} responded ({per100} of 100; {lo} "
        "to {hi}).",
        "group_because": "No personal estimate is given, because {reason}.",
        "group_without": "This is what happened to a group. It does not show what would have happened "
        "without the treatment: placebo response, natural recovery and regression to the mean are included.",
        "arms_randomised": "The groups were formed by chance, so their rates can be compared with each other.",
        "arms_observed": "The groups were not formed by chance: a difference between them is not an effect "
        "of treatment.",
        # refusal
        "refusal": "The model gives no number here. Beside each reason stands what would resolve it.",
        # model report
        "gains_description": "A dot marks the gain, a line its limits; vertical lines mark no gain and the "
        "margin. The table has the same numbers.",
        "calibration_description": "Observed share of responders against predicted probability, with a band; the "
        "dashed diagonal is ideal. Bars below: how many patients were given each probability. The table has the "
        "groups.",
        "roc_description": "Share of responders against share of non-responders above each threshold; the dashed "
        "diagonal is chance. The table has the declared thresholds.",
        "decision_description": "Net benefit of each strategy over threshold probabilities; thin dash-dotted "
        "lines mark the declared thresholds. The table has the numbers.",
        "importance_description": "A bar for each input's mean absolute contribution in points of 100, and a "
        "line for its spread over folds and repeats. The table has the numbers.",
        "no_figure": "Not available: nothing was validated, or the outcome is too rare to draw it.",
        "pooled": "Of a logistic model on the same columns, without a penalty that matters, pooled over the "
        "imputations by Rubin's rules: for one standard deviation of a number, or against the first level of a "
        "category. The model itself is penalised; its mean coefficient stands beside and has no interval. They "
        "describe associations and are no effects.",
        "small_count": "fewer than 10",
        # model report: the evidence beyond the verdict
        "optimism": "On its own patients the procedure has an AUC of {apparent}. Of that, {lost} is flattery: in new "
        "patients of the same kind {corrected} is to be expected (Monte-Carlo error {error}). Nested cross-validation "
        "says {nested}.",
        "optimism_none": "The resamples do not define an AUC, so that nothing is corrected.",
        "few_resamples": "With {resamples} resamples these figures are rough; 200 or more are usual.",
        "limits_refitted": "The judged model's limits of AUC, log loss, Brier and scaled Brier score cover which "
        "patients were tested and which the procedure was fitted to, the latter by the spread of the bootstrap's "
        "refits. In simulated trials such limits of 95 % held 88 to 95 %. All others hold the fitted models fixed: "
        "they are too narrow for other samples of this size, and a single model's own slope lies outside in one of "
        "five.",
        "limits_fixed": "The limits describe which patients were tested, not which the procedure was fitted to: for "
        "its worth in other samples of this size they are too narrow by a sixth to a third. A bootstrap "
        "(validation.bootstrap.resamples) widens them by what refitting adds.",
        "optimism_method": "Every step (imputation, tuning, calibration, weighing) was repeated on {resamples} "
        "resamples of whole groups. Corrected: apparent minus the mean loss between a resample and everybody "
        "(Harrell). .632 and .632+ mix the apparent figure with that of the patients a resample left out. In "
        "brackets: Monte-Carlo standard errors, which more resamples would shrink.",
        "optimism_undefined": "In at most {undefined} of them a figure is not defined.",
        "stability": "Refitted on other patients, the procedure would give the same patient an estimate that differs "
        "by {mean} points of 100 on average, and for one patient in ten by {much} or more. Half of the patients have "
        "estimates that spread over {width} points or more.",
        "stability_method": "From the {resamples} resamples of the optimism bootstrap. This is the instability of the "
        "procedure with this number of patients, not the error of an estimate.",
        "instability_description": "Band: between the limits of the refits' calibration curves; line: their median; "
        "the dashed diagonal is ideal. The table has the numbers.",
        "ranks_method": "Rank 1 moves the estimate most. Limits: from the contributions in {refits} refits.",
        "increment_shown": "{block} was shown to add to {smaller}: gain in log loss {gain}; p {p}.",
        "increment_not_shown": "{block} was not shown to add to {smaller}: gain in log loss {gain}; p {p}.",
        "increment_method": "Each block's average of models against the average without it, on the same folds. Gain: "
        "above 0 the block helps. The {level} % limits hold for all comparisons at once ({blocks}), and p is Holm's.",
        "increment_absent": "No feature set holds all groups of another, so that there is no block to compare.",
        "markers_some": "{n} inputs were chosen in at least {threshold} of 100 halves of the patients and count as "
        "stable.",
        "markers_one": "1 input was chosen in at least {threshold} of 100 halves of the patients and counts as stable.",
        "markers_none": "No input was chosen in at least {threshold} of 100 halves of the patients: none counts as "
        "stable.",
        "markers_method": "The lasso on complementary halves of the patients, at most {chosen} inputs from each. Among "
        "inputs that have nothing to do with the outcome at most {false_finds} are expected to reach {threshold} of "
        "100. Inputs that tell the same share the choice, so that “not stable” does not mean “without effect”.",
        "markers_absent": "Fewer than 3 inputs: there is nothing to choose from.",
        "no_bootstrap": "Not examined: the config asks for no resamples (validation.bootstrap.resamples).",
        "plan_share": "AUC {judged}, of the plan alone {plan}: {share} of what is above chance comes from the "
        "treatment, not from the patient.",
        "plan_share_all": "AUC {judged}, of the plan alone {plan}: all that is above chance comes from the treatment, "
        "nothing from the patient.",
        "plan_share_none": "AUC {judged}, of the plan alone {plan}: nothing of it comes from the treatment.",
        "plan_share_nothing": "AUC {judged}, of the plan alone {plan}: the procedure tells nobody apart, so that "
        "nothing is there to be shared between treatment and patient.",
        "treat_if": "What treating by the model would have brought, read from the patients whose arm, dealt by chance, "
        "is the one the strategy names. Threshold: further responders per treated patient that make treating worth it. "
        "Benefit: responders per patient over treating nobody, minus threshold times the share treated.",
        "treat_if_absent": "Treating by the model is not valued: that needs two arms dealt by chance, one of them "
        "the declared control.",
        # annexes
        "tripod_summary": "Of {items} sub-items {answered} are answered, {partly} in part, {not_applicable} do not "
        "apply and {not_provided} are NOT PROVIDED.",
        "tripod_lead": "Filled in from the run. “Answered” says that the place named gives the information, not "
        "that it is good. What only a person can say is a gap until the named key of the config holds it.",
        "tripod_source": "The items are those of TRIPOD+AI in our own words: Collins GS et al., BMJ 2024;385:e078378.",
        "probast_summary": "By the tool's rule: concern about the quality of the development {development}, risk "
        "of bias of the evaluation {evaluation}; concern about applicability: {applies}.",
        "probast_missing": "NOT PROVIDED in report.assessment: {keys}.",
        "probast_lead": "A self-assessment from the facts of the run; a reader may judge otherwise. One domain that is "
        "high makes the whole high; a question without information makes its domain unclear. Whether it applies to "
        "patients of one's own only a person can say.",
        "probast_source": "The questions are those of PROBAST+AI in our own words: Moons KGM et al., BMJ "
        "2025;388:e082505.",
        "treated_only": "On the right the same among the treated alone, at the declared thresholds.",
        "model_limit": "The verdict speaks of this procedure on these data, not of whether response can be "
        "predicted at all.",
        # footer
        "research_use": "Research use; not a cleared medical device.",
        "local_use": "Signed off by {by}, {role}, {day} to {until}; not a cleared medical device.",
        "same_inputs": "Same inputs and model give the same report.",
        # reasons and verdicts; `{matters}` comes from `what_matters`
        "matters_none": "nothing recorded here was shown to tell who responds better than the group's rate "
        "does",
        "matters_plan": "the treatment matters; nothing else recorded here was shown to add to it",
        "matters_severity": "the severity at the start matters; nothing else recorded here was shown to add "
        "to it",
        "matters_better": "what is recorded before the start tells more than the treatment and the severity at "
        "the start do",
        "matters_both": "the treatment and the severity at the start matter; nothing else recorded here was "
        "shown to add to them",
        "reason_few_patients": "with {responders} responders and {others} non-responders nobody can tell "
        "whether a personal estimate would be better than this rate (at least {needed} of each are needed)",
        "reason_few_groups": "the patients come from {groups} groups only, too few to tell whether a "
        "personal estimate would be better than this rate (at least {needed} are needed)",
        "reason_too_little": "{matters}, and the data are too few to rule out that it does",
        "reason_too_little_none": "{matters}, and the data are too few to rule out that something does",
        "reason_no_better": "{matters}",
        "reason_better": "the model is withheld by its owner",
        "verdict_better": "Better than the references.",
        "verdict_no_better": "No better than the references.",
        "verdict_too_little": "Too little data to tell.",
        "gain_better": "Log loss falls by {gain} against {reference}, the closest reference ({level} % "
        "limits {lo} to {hi}; at least {margin} was asked for).",
        "gain_no_better": "Against {reference} the gain in log loss is {gain} ({level} % limits {lo} to "
        "{hi}); a gain above {upper} is excluded, and less than {margin} was declared too small to matter. "
        "This speaks of this procedure with {n} patients, not of whether response can be predicted at all.",
        "gain_too_little": "Against {reference} the gain in log loss is {gain} ({level} % limits {lo} to "
        "{hi}); a gain up to {upper} is not excluded, and {margin} or more was declared to matter.",
        "few_patients": "{responders} responders and {others} non-responders; at least {needed} of each are "
        "needed before a gain is judged.",
        "few_groups": "{groups} independent groups; at least {needed} are needed before a gain is judged.",
    }
)
