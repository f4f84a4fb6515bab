"""What the keys of a source say against its format."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from zoneinfo import available_timezones

from predictor.config.source import DATABASES, Source, Sql, database_file
from predictor.errors import Problem

__all__ = ["find_source_problems"]

STATISTICAL = ("spss", "stata", "sas")
PARAMETERS = {"sslmode", "sslrootcert", "connect_timeout", "application_name", "target_session_attrs"}
VARIABLE = re.compile(r"PREDICTOR_[A-Z0-9_]{1,64}")  # no other secret of the environment can be asked for
CONCEPT = re.compile(r"[0-9]{1,10}")
READS = re.compile(r"\s*(?:select|with)\b[^;]*", re.IGNORECASE)
KEYS = {
    "delimiter": ("csv",),
    "decimal": ("csv",),
    "encoding": ("csv",),
    "redcap": ("csv",),
    "sheet": ("excel",),
    "value_labels": STATISTICAL,
    "user_missing": STATISTICAL,
}


def find_source_problems(path: str, source: Source, concepts: Sequence[str] = ()) -> Iterator[Problem]:
    """Yield every contradiction inside a source.

    Parameters
    ----------
    path : str
        Key path of the source.
    source : Source
    concepts : sequence of str
        OMOP concepts that the table asks for.
    """
    yield from _text(path, source)
    yield from _redcap(path, source)
    yield from _place(path, source)
    yield from _fhir(path, source)
    if source.sql is not None:
        yield from _address(f"{path}.sql", source.sql)
        yield from _asked(f"{path}.sql", source.sql)
        yield from _concepts(f"{path}.sql.omop", source.sql, concepts)
    for key, formats in KEYS.items():
        if getattr(source, key) != Source.model_fields[key].default and source.kind not in formats:
            message = f"{key} is for {' and '.join(formats)}, and the source is {source.kind}"
            yield Problem(
                "CFG-50", message, "Delete it, or write `format:` if that is another", f"{path}.{key}"
            )


def _text(path: str, source: Source) -> Iterator[Problem]:
    try:
        codecs.lookup(source.encoding)
    except LookupError:
        message = f'"{source.encoding}" is no encoding'
        yield Problem("CFG-27", message, "Write for example utf-8 or cp1252", f"{path}.encoding")
    delimiter = source.delimiter
    if delimiter is not None and len(delimiter) != 1:
        message = f"a delimiter is one character, came {len(delimiter)}"
        yield Problem("CFG-28", message, 'Write for example ";" or "\\t"', f"{path}.delimiter")


def _redcap(path: str, source: Source) -> Iterator[Problem]:
    if source.redcap is None:
        return
    for key in ("dictionary", "events"):
        name = getattr(source.redcap, key)
        if name is not None and (not name or PurePath(name).name != name or "\\" in name):
            message = "expected the name of a file in the export's folder, without a folder"
            yield Problem("CFG-09", message, "Put the file beside the export", f"{path}.redcap.{key}")


def _place(path: str, source: Source) -> Iterator[Problem]:
    if source.sql is None and not source.path:
        yield Problem("CFG-26", "the source has neither a path nor a database", "Write `path: FILE`", path)
    if source.sql is not None and (source.path or source.format is not None):
        message = "a database is no file"
        yield Problem("CFG-50", message, "Delete `path:` and `format:`, or `sql:`", f"{path}.sql")


def _address(path: str, sql: Sql) -> Iterator[Problem]:
    """Whatever is wrong with an address, it is not repeated: it may hold a password."""
    if (sql.url is None) == (sql.url_from is None):
        message = "a database has one address: url, or url_from with the name of an environment variable"
        yield Problem("CFG-51", message, "Write one of the two", path)
    if sql.url_from is not None and not VARIABLE.fullmatch(sql.url_from):
        message = "expected the name of an environment variable: PREDICTOR_ and capitals, digits or _"
        yield Problem("CFG-51", message, "Write for example url_from: PREDICTOR_CLINIC", f"{path}.url_from")
    if sql.url is None:
        return
    scheme, _, rest = sql.url.partition("://")
    place = f"{path}.url"
    if scheme not in DATABASES or not rest:
        beginnings = ", ".join(f"{name}://" for name in DATABASES)
        message = f"the address does not begin with one of {beginnings}"
        yield Problem("CFG-51", message, "Write for example postgresql://HOST/DATABASE", place)
        return
    host, _, tail = rest.partition("?")
    words = {word.partition("=")[0] for word in tail.split("&") if word}
    if "@" in host or words - PARAMETERS:
        message = "the address holds a user, a password, or more than an address needs"
        remedy = "Put the whole address into an environment variable and write `url_from: PREDICTOR_…`"
        yield Problem("CFG-52", message, remedy, place)
    elif DATABASES[scheme] != "postgresql" and not database_file(sql.url):
        message = f"expected {scheme}:/// and the path of a file"
        yield Problem("CFG-51", message, "Write three slashes before a relative path", place)


def _asked(path: str, sql: Sql) -> Iterator[Problem]:
    if [sql.table, sql.query, sql.omop].count(None) != 2:
        message = "a table, a query or an OMOP table, one of the three"
        yield Problem("CFG-51", message, "Write `table:`, `query:` or `omop:`", path)
    if sql.query is not None and not READS.fullmatch(sql.query):
        message = "a query is one SELECT (or WITH … SELECT), without a semicolon"
        yield Problem("CFG-51", message, "Write one statement that only reads", f"{path}.query")
    if sql.query is not None and sql.schema_ is not None:
        yield Problem("CFG-51", "a schema is for a table", "Name it in the query", f"{path}.schema")


def _concepts(path: str, sql: Sql, concepts: Sequence[str]) -> Iterator[Problem]:
    if sql.omop is None and sql.descendants:
        message = "descendants are those of OMOP concepts"
        yield Problem("CFG-51", message, "Write `omop:`, or delete `descendants:`", path.rpartition(".")[0])
    if sql.omop in (None, "person"):
        return
    if not concepts:
        message = "nothing says which concepts are read"
        remedy = (
            "Name the columns of a long table by their concept ids, or write `where: {concept_id: [ID, …]}`"
        )
        yield Problem("CFG-51", message, remedy, path)
    for concept in concepts:
        if not CONCEPT.fullmatch(concept):
            message = f'"{concept}" is no concept id, which is a whole number'
            yield Problem("CFG-51", message, 'Write for example "3004249"', path)


def _fhir(path: str, source: Source) -> Iterator[Problem]:
    if source.fhir is None:
        if source.format == "fhir":
            message = "nothing says which resources are read"
            yield Problem("CFG-50", message, "Write `fhir: {resource: …}`", f"{path}.format")
        return
    if source.format not in (None, "fhir") or source.redcap is not None:
        message = "the source is FHIR and something else"
        yield Problem("CFG-50", message, "Keep one of the two", f"{path}.fhir")
    if source.fhir.time_zone != "as_written" and source.fhir.time_zone not in available_timezones():
        message = "a time zone that is not known"
        yield Problem(
            "CFG-27", message, "Write as_written, or for example Europe/Berlin", f"{path}.fhir.time_zone"
        )
