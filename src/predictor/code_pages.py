"""An example of every error line, and what to do about it: the sections of docs/reference/errors.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["CODE_PAGES", "CodePage"]


class CodePage(NamedTuple):
    """What the section of a code shows besides its meaning.

    Parameters
    ----------
    example : str
        A line as it is printed, without the word of a patient.
    advice : str
        What to look at and what to do, in one or two sentences; the line itself names the place.
    """

    example: str
    advice: str


CODE_PAGES: Mapping[str, CodePage] = MappingProxyType(
    {
        "CFG-01": CodePage(
            'config.yaml:21: modle: CFG-01 unknown key "modle". Did you mean "models"? Write that.',
            "Correct the spelling, or delete the key; keys are never ignored. All of them stand in the "
            "reference.",
        ),
        "CFG-02": CodePage(
            'config.yaml:23: primary: CFG-02 the key "primary" is written twice, on lines 14 and 23. Keep '
            "one of the two.",
            "Decide which of the two values is meant and delete the other; neither was used.",
        ),
        "CFG-03": CodePage(
            "config.yaml:2: experiment.question: CFG-03 tags (!) are not allowed; nothing was run. Write "
            "the plain value.",
            "Delete the tag. A file that came from somebody else with one in it deserves a second look.",
        ),
        "CFG-04": CodePage(
            "config.yaml:2: b.0: CFG-04 aliases (*) are not allowed. Write the value out.",
            "Repeat the value where it is needed; a value that begins with & or * needs quotes.",
        ),
        "CFG-05": CodePage(
            "config.yaml:21: CFG-05 nested deeper than 20 levels. Flatten it.",
            "No key lies so deep: look for brackets or indentation that were never closed.",
        ),
        "CFG-06": CodePage(
            "config.yaml: CFG-06 the file is UTF-16, expected UTF-8. Save it as UTF-8.",
            "Name the YAML file itself, and save it as UTF-8 text; data belong in files of their own.",
        ),
        "CFG-07": CodePage(
            'config.yaml:3: experiment.name: CFG-07 expected text, came the number 12. Quote it: "12" '
            "(without quotes YAML 1.2 reads a number).",
            "Write the value as the type that is expected. Text that looks like a number, a time or a "
            "truth needs quotes.",
        ),
        "CFG-08": CodePage(
            'config.yaml:22: models.net.type: CFG-08 the text "os.system" is no model type; models come '
            "from a closed catalog, never from an import path. Write one of: elastic_net, random_forest, "
            "extra_trees, lightgbm, hist_gradient_boosting.",
            "Take one of the types of the [catalog](models.md).",
        ),
        "CFG-09": CodePage(
            "dictionary.yaml:2: dictionary.patients.source.path: CFG-09 '../../etc/passwd': it leads "
            "outside the project. Write a path inside the project, or name the data's folder with "
            "--data-folder.",
            "Move the file into the project, or name the folder that holds the data on the command line. "
            "Links, addresses and `~` are no paths.",
        ),
        "CFG-10": CodePage(
            "patients.csv: CFG-10 the output is the input file. Write to another file.",
            "Name another output; what you gave is never written over.",
        ),
        "CFG-11": CodePage(
            "config.yaml:23: validation.max_fits: CFG-11 5 splits × 3 repeats × 3 inner splits × "
            "22,222,222 candidates = 999,999,990 fits, above the limit of 20,000. Lower them, or raise "
            "validation.max_fits.",
            "Ask for fewer candidates first: a random search of 20 to 60 finds what there is to find.",
        ),
        "CFG-12": CodePage(
            "config.yaml:24: validation.outer.n_splits: CFG-12 expected at least 2, came the number -5. "
            "Write a number of at least 2.",
            "Every fold needs patients with and without the event in both parts; with few patients take "
            "fewer folds and more repeats.",
        ),
        "CFG-13": CodePage(
            "config.yaml:25: tracking.uri: CFG-13 this tracking address is not allowed. Write embedded, "
            "http://127.0.0.1:PORT, or https with a host in tracking.allowed_hosts.",
            "Keep `embedded` where nothing has to be shared.",
        ),
        "CFG-14": CodePage(
            "visits.csv:1: madrs_totl: CFG-14 declared in the dictionary, but the file has no such "
            "column. Did you mean 'MADRS_Total'? Mend the dictionary or the file.",
            "Copy the header from the file, letter by letter; upper and lower case count.",
        ),
        "CFG-15": CodePage(
            "config.yaml:18: features.groups.clinical.1: CFG-15 patients.relapse is what the outcome is "
            "made of, so it cannot predict it. Leave it out.",
            "Leave it out. A model that is told the outcome predicts it perfectly and nobody is helped.",
        ),
        "CFG-20": CodePage(
            "config.yaml:12: severity: CFG-20 scores.madrs is not declared. Did you mean "
            '"patients.madrs"? Write that.',
            "Declare the column in the dictionary, or correct `table.column`.",
        ),
        "CFG-21": CodePage(
            'config.yaml:24: features.sets.all.0: CFG-21 the group "x" is not declared. Known groups: '
            "clinical.",
            "Name one of `features.groups`, or add the group there.",
        ),
        "CFG-22": CodePage(
            'config.yaml:30: models.net.features.0: CFG-22 the feature set "al" is not declared. Known '
            "sets: all.",
            "Name one of `features.sets`, or add the set there.",
        ),
        "CFG-23": CodePage(
            'config.yaml:40: validation.judge: CFG-23 the judge "forest" is no model. Known judges: '
            "average, selection, net.",
            "Leave the key out: the average of all models is judged then. Decide before you see any result.",
        ),
        "CFG-24": CodePage(
            'config.yaml:14: primary: CFG-24 the primary outcome "respons" is not declared. Did you mean '
            '"response"? Write that.',
            "Name one of `outcomes` that is a yes or a no; a change of a score can only be secondary.",
        ),
        "CFG-25": CodePage(
            'config.yaml:9: outcomes.remission.measure: CFG-25 no declared column has the measure "bop". '
            "Known measures: madrs.",
            "Give the columns of the score `instrument:` or `measure:` in the dictionary.",
        ),
        "CFG-26": CodePage(
            'config.yaml:2: experiment.question: CFG-26 the key "question" is missing. Write `question: '
            "…` here.",
            "Add the key; what it means stands in the reference.",
        ),
        "CFG-27": CodePage(
            "config.yaml:6: outcomes.remission.kind: CFG-27 expected response, remission, change, event, "
            'came the text "remision". Did you mean "remission"? Write that.',
            "Write one of the values that the line lists.",
        ),
        "CFG-28": CodePage(
            "config.yaml:41: validation.refits: CFG-28 expected at least 20, came the number 5. Write a "
            "number of at least 20.",
            "Stay within the limits; a wider search is asked for by other keys, not by larger numbers.",
        ),
        "CFG-29": CodePage(
            "config.yaml:3: experiment.name: CFG-29 expected letters, digits, - and _ (at most 64, the "
            'first no sign), came the text "my study". Write a short name without spaces.',
            "Names become names of files and columns; words for people go into `question` and `label`.",
        ),
        "CFG-30": CodePage(
            "config.yaml:1: CFG-30 not valid YAML: mapping values are not allowed here. Check "
            "indentation, colons, brackets and quotes on this line and the one above.",
            "Compare with an example in `configs/`. Text with a colon and a space in it needs quotes.",
        ),
        "CFG-31": CodePage(
            "config.yaml:13: outcomes.response.assessed: CFG-31 the window ends on day 20, before it "
            "starts on day 40. Swap first_day and last_day.",
            "Days count from day 0, those before it are negative, and both ends belong to the window.",
        ),
        "CFG-32": CodePage(
            "config.yaml:9: cohort.eligibility.0: CFG-32 patients.age is named but not tested. Write "
            "`min:`, `max:` or `in:`.",
            "Numbers and dates take `min` and `max`, categories `in`.",
        ),
        "CFG-33": CodePage(
            'config.yaml:1: severity: CFG-33 the outcome "response" is measured on a score, so a severity '
            "is needed. Write `severity: table.measure`; it is the reference every model has to beat.",
            "Name the same score before the treatment.",
        ),
        "CFG-34": CodePage(
            'config.yaml:6: cohort.treatment.control: CFG-34 "placeb" is no value of patients.arm. Did '
            'you mean "placebo"? Write that.',
            "A category needs `control`, one of its values; a dose needs `bands`, increasing numbers.",
        ),
        "CFG-35": CodePage(
            "config.yaml:8: cohort.index: CFG-35 `visits`, but nothing in the dictionary has a day. Give "
            "a table `visits:` or columns a `day:`, or write `index: {table: …}`.",
            "Say what day 0 is: a visit's label in the dictionary, or the row of a table with a date.",
        ),
        "CFG-36": CodePage(
            "dictionary.yaml:15: dictionary.scores.visits.days.v28: CFG-36 a visit stands for a whole day "
            "relative to day 0, or for `ignore`. Write for example 28, -7 or ignore.",
            "Map every label that occurs in the file; unscheduled visits may be ignored.",
        ),
        "CFG-37": CodePage(
            "dictionary.yaml:12: dictionary.scores: CFG-37 a long table needs name_column. Write "
            "`name_column: …` with the header of that column in the file.",
            "`wide` is one column per quantity, `long` one row per value with its name beside it.",
        ),
        "CFG-38": CodePage(
            "dictionary.yaml:7: dictionary.patients.columns.age: CFG-38 the column has neither a type nor "
            "a quantity. Write `type:` (number, integer, category, boolean, date, text), or "
            "`instrument:`, `analyte:` or `measure:`.",
            "Say one thing about the column: what it is, in which unit, between which limits.",
        ),
        "CFG-39": CodePage(
            "dictionary.yaml:15: dictionary.scores.columns.BL..BOP: CFG-39 nothing says when this column "
            "is known. Write `known:` baseline, plan, after or {date: COLUMN}, at the column or for the "
            "whole table.",
            "Ask whoever collects it when it is known at the earliest. What is known only after day 0 "
            "cannot be a feature.",
        ),
        "CFG-40": CodePage(
            "dictionary.yaml:9: dictionary.patients.columns.crp: CFG-40 the laboratory value crp has no "
            "unit. Write the unit of the file, for example `unit: mg/L`.",
            "Take the unit from the laboratory's own sheet, not from what looks right.",
        ),
        "CFG-41": CodePage(
            "config.yaml:20: features.sets.all: CFG-41 patients.age is listed twice in this set. Keep one.",
            "Take the column out of one of the groups that the set joins.",
        ),
        "CFG-42": CodePage(
            "config.yaml:50: report.release: CFG-42 release: research needs a reason. Write `reason: …`; "
            "it is printed on every page.",
            "Without a verdict *better* numbers are shown for research only; say in a sentence what for.",
        ),
        "CFG-43": CodePage(
            'dictionary.yaml:19: dictionary.scores.columns.V5..BOP: CFG-43 the columns "BL..BOP" and '
            '"V5..BOP" are both called bop. Give one another `name:`; only one quantity on different days '
            "may share a name.",
            "If they are one quantity on two days, give each its `day:`.",
        ),
        "CFG-44": CodePage(
            '--set: validation.outer.n_split: CFG-44 there is no "n_split" to set. Did you mean '
            '"n_splits"? Write that.',
            "Write `--set PATH=VALUE` with the path as error lines and the reference show it.",
        ),
        "CFG-45": CodePage(
            "config.yaml: CFG-45 the file cannot be opened (No such file or directory). Check the path; "
            "it is relative to the folder you are in, the dictionary's to the config.",
            "Check the path, the spelling and the permissions.",
        ),
        "CFG-46": CodePage(
            "config.yaml:27: execution.address: CFG-46 this address of a cluster is not allowed. Write "
            "tcp://127.0.0.1:PORT, tls://HOST:PORT, or tcp with a host in execution.allowed_hosts.",
            "Patients' data go to a cluster: encrypt the way there, or list the host that you trust.",
        ),
        "CFG-47": CodePage(
            "config.yaml:13: outcomes.remission.if_missing: CFG-47 remission is not the primary outcome, "
            "and only that is imputed. Write `if_missing: exclude`.",
            "Outcomes are imputed together with the inputs, so `imputation: {method: multiple}` is "
            "needed, and for the primary outcome only.",
        ),
        "CFG-48": CodePage(
            "dictionary.yaml:9: bdi_22: CFG-48 bdi2 has no item '22'; only its total can be read. Mend "
            "the dictionary.",
            "[Instruments](instruments.md) lists the items and the scores of every scale.",
        ),
        "CFG-49": CodePage(
            'dictionary.yaml:14: dictionary.patients.columns.bmi.derive: CFG-49 "height" is no declared '
            "column of this table. Known columns of this table: age, weight.",
            "Declare the columns that it is computed from in the same table, with their units.",
        ),
        "CFG-50": CodePage(
            "dictionary.yaml:4: dictionary.patients.source.sheet: CFG-50 sheet is for excel, and the "
            "source is csv. Delete it, or write `format:` if that is another.",
            "The format follows from the file's name unless `format:` says otherwise.",
        ),
        "CFG-51": CodePage(
            "dictionary.yaml:4: dictionary.visits.source.sql.query: CFG-51 a query is one SELECT (or WITH … "
            "SELECT), without a semicolon. Write one statement that only reads.",
            "Give one address (`url` or `url_from`) and one thing to read (`table` or `query`); see "
            "[formats](../formats.md#databases).",
        ),
        "CFG-52": CodePage(
            "dictionary.yaml:4: dictionary.visits.source.sql.url: CFG-52 the address holds a user, a "
            "password, or more than an address needs. Put the whole address into an environment variable and "
            "write `url_from: PREDICTOR_…`.",
            "Treat a password that stood in a file as known to others: change it, also in the file's history.",
        ),
        "CFG-53": CodePage(
            "config.yaml:24: outcomes.response.confirmed: CFG-53 the second assessment may be on day 31, inside the "
            "window of the first. Let it start after `assessed` ends: one score is no confirmation of itself.",
            "Decide with the protocol at hand what counts as the outcome, and write that; the other parts go.",
        ),
        "CFG-56": CodePage(
            "dictionary.yaml:8: key: CFG-56 a guess that nobody has confirmed (does each value stand for one "
            "patient?). Mend the line if need be, then delete its mark.",
            "`predictor init` guesses and marks what it guessed. `predictor check` lists the open marks; training "
            "waits until none is left.",
        ),
        "CFG-57": CodePage(
            "config.yaml:12: outcomes.response.assessed.first_day: CFG-57 the outcome is assessed from day 7 on, and "
            "the decision may be taken on day 10. Let it begin after day 10, or lower cohort.decision_time.last_day.",
            "A decision after an infusion needs a dated table of infusions, and outcomes that begin when it is taken.",
        ),
        "LEA-03": CodePage(
            "config.yaml:18: features.groups.clinical.1: LEA-03 patients.relapse is known only after day "
            "0. Leave it out; the treatment received and whatever follows it are no features.",
            "Leave the column out. If it is known earlier than the dictionary says, mend `known:` there.",
        ),
        "LEA-08": CodePage(
            "configs/hospital_a.yaml: LEA-08 of 120 patients, 7 are among those that the model was developed on, by "
            "key and inputs, and 2 have the inputs of one of them under another key. Take them out; on them its "
            "figures are too good.",
            "Exclude them by a rule of eligibility, such as a later start, rather than by hand.",
        ),
        "CLI-01": CodePage(
            "--rows: CLI-01 rows are numbers and ranges. Write for example 1-3,7.",
            "`predictor COMMAND --help` shows every argument.",
        ),
        "CLI-02": CodePage(
            "--rows: CLI-02 row 9 was asked for, and the table has 3 patients. Write rows from 1 to 3.",
            "Rows count patients from 1; the header is not one of them.",
        ),
        "CLI-03": CodePage(
            "--patients: CLI-03 the number of patients must be at least 1.",
            "Write a whole number above 0.",
        ),
        "DAT-01": CodePage(
            "visits.csv:2: DAT-01 5 fields, the header has 4. Quote a cell that holds the delimiter, or "
            "give every column a header.",
            "Look at the row in a text editor: most often a comma stands inside a cell. If it is every "
            "row, a header is missing.",
        ),
        "DAT-02": CodePage(
            "visits.csv:3: DAT-02 2 fields, the header has 3. Write every field of the row, also the "
            "empty ones.",
            "Export the file again rather than filling rows up by hand: a short row may be a cut one.",
        ),
        "DAT-03": CodePage(
            "visits.csv:1: age: DAT-03 columns 2 and 4 have the same header. Rename one of them.",
            "Every column needs a name of its own in the first line.",
        ),
        "DAT-04": CodePage(
            "visits.csv:1: DAT-04 split at ',' the header has 1 fields, split at ';' every row has 2. "
            'Write delimiter: ";" and decimal: "," under "source" in the dictionary.',
            "Declare what the file uses; it is never guessed.",
        ),
        "DAT-05": CodePage(
            "visits.csv:3: id: DAT-05 the patient's key stands in an earlier row. Keep one row per "
            "patient, or declare visits or dates; duplicates: drop_exact drops exact copies.",
            "Find out whether it is a copy, a second visit or another patient with the same number.",
        ),
        "DAT-07": CodePage(
            "visits.csv:2: crp: DAT-07 a value below a limit, a number was expected. Write below_limit: "
            "half, sqrt2 or limit for the column, and `<` before the number.",
            "Mend the cell, or declare how the column writes missing values, limits and decimals.",
        ),
        "DAT-08": CodePage(
            "visits.csv:2: DAT-08 byte offset 13 is not utf-8. It may be Windows-1252: save the file as "
            'UTF-8, or write encoding: cp1252 under "source".',
            "Ask whoever exported it for the encoding, and check a name with an accent afterwards.",
        ),
        "DAT-09": CodePage(
            "visits.csv:10: DAT-09 a quote that opens in this row is not closed, so nothing after it can "
            'be read. Close it; write a quote inside a cell twice ("").',
            "Look for an inch sign or a quotation in a free text.",
        ),
        "DAT-10": CodePage(
            "visits.csv:2: DAT-10 a cell has more than 32,768 characters, which is the limit. Shorten it "
            "or leave the column out.",
            "Export only the columns that the dictionary declares.",
        ),
        "DAT-11": CodePage(
            "visits.csv: DAT-11 the file has a header and no rows. Write at least one row.",
            "Check the export: nothing came out of it.",
        ),
        "DAT-12": CodePage(
            "labs.xlsx: DAT-12 no Excel workbook, at byte 0. Save it as .xlsx, or write its `format:`.",
            "Export or copy the file again; a download that was cut off looks like this.",
        ),
        "DAT-13": CodePage(
            "labs.sas7bdat: DAT-13 too large for the memory that its reader may use; nothing was read. "
            "Leave out columns that are not declared, or split the file.",
            "Other programs' formats are read in a process with limits; CSV and Parquet need less memory.",
        ),
        "DAT-14": CodePage(
            "labs.xlsx: DAT-14 2 visible and 1 hidden sheets, one was expected. Write `sheet: NAME` under "
            "source.",
            "Say which sheet is meant, and replace formulas and merged cells by their values.",
        ),
        "DAT-15": CodePage(
            "gone.csv: DAT-15 the file does not exist. Check the path; nothing was read.",
            "Close the program that still writes the file, check path and permissions, and start again.",
        ),
        "DAT-16": CodePage(
            "visits.csv:2: seen: DAT-16 an ambiguous date: day and month can be told apart only by ISO "
            "8601. Write dates as 2026-03-04.",
            "Change the format of dates in the export, not in the cells.",
        ),
        "DAT-17": CodePage(
            "scores.csv:7: relapsed_on: DAT-17 dated before day 0, but declared as known after it. Mend "
            "the date, or declare the column's `known` as it is.",
            "Look the patient up in the source: one of the dates is a slip, or the wrong visit was taken "
            "for day 0.",
        ),
        "DAT-18": CodePage(
            "visits.csv:2: madrs: DAT-18 outside 0 to 60, which a total of madrs can be. Mend the cell; "
            "values are never clipped.",
            "Correct the value in the source, or the declared range where it was drawn too narrow.",
        ),
        "DAT-19": CodePage(
            "scores.csv:12: phq9: DAT-19 the items of this assessment do not make this total of phq9. "
            "Mend the items or the total; the scoring is on the page of the instruments.",
            "Look at the paper form. An item with a reversed rating that was not turned is the usual cause.",
        ),
        "DAT-20": CodePage(
            "visits.csv:4: sex: DAT-20 not one of the declared codes: 'F', 'Female', 'M'. Add the code to "
            "values, or to missing, or mend the cell.",
            "Declare every spelling of a value under `values:` with the one name it stands for.",
        ),
        "DAT-21": CodePage(
            "visits.csv: crp: DAT-21 no row has a value. Remove the column from the dictionary, or check "
            "its missing codes.",
            "Take the column out, or find out why the export left it empty.",
        ),
        "DAT-22": CodePage(
            "outcomes.response: DAT-22 response: 3 events and 40 non-events among 43 evaluable. At least "
            "5 of each are needed even to try; collect more, or ask for another outcome.",
            "No setting helps: nothing can be learned from so few. Another outcome, a longer window or "
            "more patients can.",
        ),
        "DAT-30": CodePage(
            "DAT-30 nobody is left after eligibility. Steps: Patients in the data 120; Day 0 120; Adult 0.",
            "The steps show where everybody was lost: look at that rule, at its units and at missing values.",
        ),
        "DAT-40": CodePage(
            'export.csv:1: DAT-40 the export has no column "record_id", the record id of its data '
            "dictionary. Export raw data with variable names, not labels; or name the dictionary of this "
            "project.",
            "Export data, data dictionary and events of the same project on the same day.",
        ),
        "DAT-41": CodePage(
            "PREDICTOR_CLINIC (visits): DAT-41 the database cannot be reached or refuses what is asked: "
            "UndefinedTable (SQLSTATE 42P01). Check address, credentials in the environment, and names of "
            "tables and columns; nothing was read.",
            "Try the same query with the database's own client; what its driver says is not repeated, because "
            "it may hold patients' rows.",
        ),
        "DAT-42": CodePage(
            "bundle.json:17: Observation.status: DAT-42 the resource does not fit FHIR R4 (missing). Mend it "
            "where it comes from, or write `version:` if it is of another version.",
            "The row is the entry's number in a bundle, or the line of an NDJSON file.",
        ),
        "UNI-01": CodePage(
            "labs.csv: crp: UNI-01 the median is 0.21 mg/L, 0.5 to 20 was expected of crp: it looks like "
            "mg/dL. Mend `unit:`, or write `file_unit:` or `unit_column:`; if it is right, write "
            "`unit_confirmed: true`.",
            "Ask the laboratory. Correct `unit:` where the suspicion is right, and confirm it where it is "
            "not.",
        ),
        "UNI-03": CodePage(
            "labs.csv: glucose: UNI-03 the median of glucose at 2 of 5 sites is 17.8 times smaller or "
            "larger than at the others, which is what mmol/L would do. Mend `unit:`, or write "
            "`file_unit:` or `unit_column:`; if it is right, write `unit_confirmed: true`.",
            "Give the sites a column of their units, or convert one of the two before the export.",
        ),
        "UNI-05": CodePage(
            "dictionary.yaml:9: crp: UNI-05 the analyte 'crpp' is not known. Did you mean crp? For one "
            "that is not listed write measure: crpp and a range.",
            "Units are written as [UCUM](https://ucum.org) codes, upper and lower case count.",
        ),
        "UNI-06": CodePage(
            "labs.csv: cortisol: UNI-06 cm cannot be converted to nmol/L: they are units of different "
            "quantities. Mend the unit in the dictionary or the file.",
            "Check the unit of the file; between mass and amount of substance a molar mass is needed.",
        ),
        "SIZ-01": CodePage(
            "config.yaml:17: outcomes.response: SIZ-01 60 evaluable patients, and 96 are needed to know "
            "even the overall rate within 5 points. Collect more, or write `override: REASON`, which "
            "every report will print.",
            "Collect more patients. An override makes a pilot possible; its verdict will be *too little "
            "data*.",
        ),
        "SIZ-02": CodePage(
            "config.yaml:20: outcomes.response: SIZ-02 6 events and 23 non-events, and at least 20 of "
            "each are needed. Collect more, or write `override: REASON`, which every report will print.",
            "What counts is the rarer of the two, not the number of patients.",
        ),
        "SIZ-03": CodePage(
            "config.yaml:33: features.sets.all: SIZ-03 7 parameters for 60 patients: an expected "
            "shrinkage of -0.65, below 0.5, so that what is found is more noise than signal. Take fewer "
            "columns (0 parameters are affordable), declare a stronger signal that others have published, "
            "or write `override: REASON`.",
            "Choose fewer columns by what is known about the disease, before looking at the outcome.",
        ),
        "PRE-01": CodePage(
            "crp: PRE-01 the model needs the column crp. Add it; leave a cell empty where it was not "
            "measured.",
            "`predictor predict MODEL --template FILE` writes an empty table with the right columns.",
        ),
        "ART-01": CodePage(
            "model/card.json: ART-01 the file is damaged: it is not the one the manifest lists. Restore "
            "the folder from a copy, or train again.",
            "Copy the whole folder again; if the copy is damaged as well, ask where it was changed.",
        ),
        "ART-02": CodePage(
            "model/manifest.json: ART-02 the manifest was edited. Restore the folder from a copy, or "
            "train again.",
            "A model's folder is never edited, not even its notes: keep those elsewhere.",
        ),
        "ART-03": CodePage(
            "model: ART-03 a prediction model is a folder; there is none of this name. Restore the folder "
            "from a copy, or train again.",
            "Name a run or the folder `model` in it. A model of another format is trained again with this "
            "version.",
        ),
        "ART-04": CodePage(
            "model/model.skops: ART-04 the file wants to build what no model of ours contains: "
            "posix.system. Restore the folder from a copy, or train again.",
            "Do not load it by other means: nothing of it was run, and it was not written by this package.",
        ),
        "ART-06": CodePage(
            "model/model.skops: ART-06 the archive would unpack to more than a model needs. Restore the "
            "folder from a copy, or train again.",
            "Treat the folder as hostile unless you know who wrote it.",
        ),
        "ART-07": CodePage(
            "model: ART-07 it was made with scikit-learn 1.8.0, and this is 1.9.1. Restore the folder "
            "from a copy, or train again.",
            "Install the version that made it, or train again with this one.",
        ),
        "ART-08": CodePage(
            "clinic.key: ART-08 the file is no readable Ed25519 private key. Write one with `predictor "
            "sign --new-key`.",
            "Ask whoever released the model for its signature; the policy file names the keys that count.",
        ),
        "ART-09": CodePage(
            "model: ART-09 made-up patient 3 of 20 gets another probability. Restore the folder from a "
            "copy, or train again.",
            "This machine computes something else than the one that trained: do not use the model here.",
        ),
        "ART-10": CodePage(
            "model: ART-10 the model was valid until 2027-03-02. Restore the folder from a copy, or train "
            "again.",
            "Check the model on recent patients with `predictor evaluate`, then update it or train again.",
        ),
        "ART-12": CodePage(
            "model/model.skops: ART-12 a model's folder holds plain files only. Restore the folder from a "
            "copy, or train again.",
            "Copy the files themselves instead of links, into the folder that the policy names.",
        ),
        "ART-15": CodePage(
            "model: ART-15 a model's folder is never overwritten. Name another.",
            "Name a new folder; the old model stays as it is.",
        ),
        "ART-20": CodePage(
            "model: ART-20 an unsigned model is not offered to clinicians. Sign it (predictor sign MODEL --key "
            "KEY) and name the key in the policy file; --demonstration serves it on this machine only, marked on "
            "every page.",
            "Have the person who answers for the model sign it, and put the public key into the policy file of "
            "the machine that serves it.",
        ),
        "ART-21": CodePage(
            "model/sign_off.json: ART-21 the clinical sign-off was changed after it was given. Restore the folder "
            "from a copy, or train again.",
            "Restore `sign_off.json` from a copy, or take it away and have the model signed off anew; until then the "
            "model is not loaded.",
        ),
        "ART-22": CodePage(
            "model: ART-22 the model is not offered to clinicians: its clinical sign-off ended on 2027-11-26. Record "
            "one (predictor sign MODEL --by NAME, ROLE --evidence FILE --key KEY); --demonstration serves it on this "
            "machine only, marked on every page.",
            "Have the clinician who answers for the model look at the evidence and sign it off; a demonstration is "
            "for trying the service.",
        ),
        "ART-23": CodePage(
            "model/sign_off.json: ART-23 the model has a clinical sign-off already. Give --replace to put a new one in "
            "its place; the new one names the old.",
            "Look at who signed it, and when, before you replace it.",
        ),
        "RUN-01": CodePage(
            "experiments/runs: RUN-01 no finished run begins with '2026'. List the folder for the runs "
            "there are.",
            "Take the id from the list; the six characters at its end are enough.",
        ),
        "RUN-02": CodePage(
            "experiments/runs: RUN-02 2 runs begin with '2026': 20260301T093005-ketamine-72a3ca, "
            "20260301T093005-ketamine-de261d. Write more of the id.",
            "The six characters at the end tell runs apart.",
        ),
        "RUN-03": CodePage(
            "experiments/runs/20260301T093005-ketamine-4bace3: RUN-03 hashes.json is missing or "
            "unreadable. Train again.",
            "The run's results cannot be vouched for any more.",
        ),
        "RUN-04": CodePage(
            "experiments/runs/20260301T093005-ketamine-4bace3/verdict.json: RUN-04 the file was changed "
            "after the run. Restore it from a copy, or train again.",
            "Find out who changed it. Notes and further analyses belong outside of the run's folder.",
        ),
        "RUN-05": CodePage(
            "experiments/runs/20260301T093005-ketamine-4bace3/.lock: RUN-05 the run ended before it had "
            "cleared up. Run `predictor runs repair`; the results are complete.",
            "Nothing is lost; the command takes away what was left.",
        ),
        "RUN-06": CodePage(
            "experiments/runs/20260301T093005-ketamine-4bace3.partial: RUN-06 the journal of this run is "
            "damaged. Start anew; `predictor runs repair` clears up.",
            "Look after the disk: the journal is the first file that is written and the safest.",
        ),
        "TRK-01": CodePage(
            "tracking.uri: TRK-01 tracking goes to the embedded store, a server on this machine, or an "
            "allowed https host. Write embedded, http://127.0.0.1:PORT, or https://HOST with HOST in "
            "tracking.allowed_hosts.",
            "Keep `embedded` where nothing has to be shared.",
        ),
        "TRK-02": CodePage(
            "sqlite:///mlflow.db: tracking.uri: TRK-02 MLflow could not be written (DatabaseError); the "
            "run's folder is complete without it. Start the server or mend the store, then send the run "
            "again.",
            "The results are complete. Only their copy in MLflow is missing, and can be sent later.",
        ),
        "TRN-04": CodePage(
            "experiments/runs/.../units: TRN-04 the disk is full: 31337 bytes could not be written. Free "
            "space or choose another runs folder, then start the run again.",
            "The same command goes on where it was: finished units of work are kept.",
        ),
        "TRN-05": CodePage(
            "experiments/runs: TRN-05 the folder cannot be written (Read-only file system). Free space or "
            "choose another runs folder, then start the run again.",
            "Check owner, permissions and quota, or name another folder with `--runs-folder`.",
        ),
        "TRN-06": CodePage(
            "TRN-06 memory ran out, or a worker was ended from outside. Use fewer workers (--workers 1) "
            "or end other programs, and start again: finished work is kept.",
            "Every worker holds the data once: fewer workers need less memory and give the same results.",
        ),
        "TRN-07": CodePage(
            "models: TRN-07 net could not be fitted on all patients (did not converge). Take it out or "
            "change its search, and train again.",
            "`failures.csv` of the run lists what failed and why. A model that often fails is no model "
            "for these data.",
        ),
        "TRN-11": CodePage(
            "experiments/runs/20260301T093005-ketamine-9648d8.partial: TRN-11 the run is in use by "
            "process 26125. Wait for it.",
            "Another training of the same config is at work; it will leave the same result.",
        ),
        "TRN-12": CodePage(
            "execution.address: TRN-12 no scheduler of the cluster answers. Start the cluster, or write "
            "execution.engine: local.",
            "Check the address, the firewall, and that workers are there.",
        ),
        "TRN-13": CodePage(
            "execution.address: TRN-13 workers of the cluster were lost, or could not read or write, "
            "again and again. Give them more memory, and the same folders as this machine; their logs say "
            "more.",
            "Try one worker with more memory first.",
        ),
        "TRN-16": CodePage(
            "experiments/runs/.../units/5f0c.unit: TRN-16 a finished unit of work is damaged and is done "
            "again. Look after the disk.",
            "Nothing to do for this run. A second such line means that the disk or the memory is failing.",
        ),
        "TRN-18": CodePage(
            "experiments/runs/20260301T093005-ketamine-9648d8.partial: TRN-18 the data changed since the "
            "run was begun: its hash was 3f786850e387 and is 89e6c98d9288. Restore what it was begun "
            "with, or leave --resume out to begin a new run.",
            "A result of two configs, two sets of data or two versions would be nobody's.",
        ),
        "AUD-01": CodePage(
            "state/audit: AUD-01 the audit log cannot be written (No space left on device). Free space or mend the "
            "permissions; until then no estimate is given.",
            "The service answers nothing that it cannot record. It goes on by itself once the log can be written.",
        ),
        "AUD-02": CodePage(
            "state/audit: AUD-02 another service writes this audit log. Stop it, or name another folder.",
            "Each service has a folder of its own: two writers would break the chain of hashes.",
        ),
        "AUD-03": CodePage(
            "state/audit/2026-11-27.jsonl:12: AUD-03 a line before this one is missing or was changed. Compare with "
            "a copy of the log; say who could write here, and keep this folder as it is.",
            "Treat it as a finding: the lines from there on prove nothing. A copy of head.json at another place "
            "tells which of two logs is the older one.",
        ),
        "ACC-01": CodePage(
            "ACC-01 the password is too short, too long, or the name. Choose 12 to 128 characters; several words are "
            "best.",
            "Nothing else is asked of a password; length is what counts.",
        ),
        "ACC-02": CodePage(
            "state/accounts.json: ACC-02 others can read the accounts. Restore it, and let its owner alone read it "
            "(mode 600).",
            "Set the mode; where the content was changed, restore the file from a copy. Without the file the "
            "service begins anew and prints a code for the first account.",
        ),
        "WEB-15": CodePage(
            "--host: WEB-15 other machines would reach the service without TLS. Give --certificate and "
            "--private-key, or --behind-proxy ADDRESS, or listen at 127.0.0.1.",
            "Passwords and patients' values must not travel in the clear. A hospital's proxy usually ends TLS: name "
            "its address.",
        ),
        "FHI-02": CodePage(
            "bundle.json: Bundle.entry[2]: crp: FHI-02 a quantity without a UCUM code. Send valueQuantity with system "
            "http://unitsofmeasure.org and code mg/L.",
            "A unit in words is not read: the same word stands for different units. The sending system has the code, "
            "or its interface can add it.",
        ),
        "FHI-03": CodePage(
            "bundle.json: Bundle.entry[2]: crp: FHI-03 it is not final. Send it when its status is final, amended, "
            "corrected.",
            "Wait for the final result, or leave the resource out: the input then counts as missing. What was entered "
            "in error is left out without a word.",
        ),
        "FHI-04": CodePage(
            "bundle.json: crp: FHI-04 two values of one time differ (Bundle.entry[2] of 2026-03-01 and "
            "Bundle.entry[3] of 2026-03-01). Mend the record.",
            "Nobody can say which of the two is right but the clinic. A date without a time of day meets every value "
            "of its day.",
        ),
        "FHI-05": CodePage(
            "bundle.json: Bundle.entry[4]: FHI-05 a resource of another patient; nothing of the request was used. "
            "Send the resources of one patient.",
            "Treat it as an incident of the sending system: it mixed two patients. References are compared as they "
            "are written.",
        ),
        "FHI-06": CodePage(
            "bundle.json: Bundle.link: FHI-06 the Bundle is one page of several. Send all of the patient's resources "
            "in one Bundle; nothing is fetched.",
            "Ask for fewer resources, by the codes that the model needs, and put all pages into one Bundle.",
        ),
        "FHI-07": CodePage(
            "bundle.json: Bundle.entry[1].status: FHI-07 the Observation does not fit FHIR R4 (missing). Send it as "
            "FHIR R4 (4.0.1).",
            "Other versions of FHIR and XML are not read. For a code that is not declared, add it to the column's "
            "`fhir: values:` once somebody has confirmed it.",
        ),
        "FHI-08": CodePage(
            "bundle.json: Bundle.entry[0]: age: FHI-08 birthDate is not exact enough: it leaves two ages open. Send "
            "the month or the day, or enter the age.",
            "A year or a month is used only where it decides nothing; a time is converted to the clinic's zone, and a "
            "leap second counts as the second before it.",
        ),
        "ENV-01": CodePage(
            "ENV-01 LightGBM does not load: the system's OpenMP library is missing. Install it: libgomp1 "
            "on Debian and Ubuntu, libgomp on Fedora, libomp by Homebrew on macOS.",
            "Install the library, or take LightGBM out of `models`.",
        ),
        "ENV-02": CodePage(
            "ENV-02 signatures need the package cryptography, which is not installed. Install it: pip "
            'install "response-predictor[signing]".',
            "Install the extra that the line names.",
        ),
        "ENV-03": CodePage(
            "ENV-03 the environment variable PREDICTOR_CLINIC is not set. Set PREDICTOR_CLINIC, for example "
            "to postgresql://USER:PASSWORD@HOST/DATABASE.",
            "Set it where the command runs, and not in a file that is shared.",
        ),
        "ENV-04": CodePage(
            "ENV-04 the report was not printed: Chromium is not installed. Install Chromium or the extra pdf; the HTML "
            "can be printed from any browser.",
            "The pages and their JSON are there all the same. Where Chromium is installed and did not answer, look at "
            "the machine's memory.",
        ),
    }
)
