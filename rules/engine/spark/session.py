"""An evaluation's session on Spark. Relations are views: nothing is computed before it is asked for, so that
all predicates of all segments are one plan; what is mentioned more than once is kept where it was computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rules.engine.dialect import Dialect
from rules.engine.order import Order
from rules.engine.periods import Clock
from rules.engine.session import Derived, DuckDBSession, Found, Ranked
from rules.engine.spark.dialect import MATCHES, Spark
from rules.engine.spark.order import MOST_SORTED, thresholds
from rules.engine.spark.starting import FIXED

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


class SparkEvaluation:
    """A session of its own in a running Spark: its views and settings are nobody else's."""

    def __init__(self, spark: SparkSession, *, most_sorted: int = MOST_SORTED) -> None:
        self.spark = spark.newSession()
        self.dialect: Dialect = Spark()
        self._most_sorted = most_sorted
        self._kept: dict[str, list[DataFrame]] = {}
        for name, value in FIXED.items():
            self.spark.conf.set(name, value)
        _register_matching(self.spark)

    def parquet(
        self, name: str, paths: Sequence[str], columns: Mapping[str, pa.DataType], gone: Sequence[str] = ()
    ) -> str:
        """A relation over Parquet files, of these columns (a file may lack some), without the rows whose
        places (`file_path`, `pos`) the files `gone` tell. Returns its name."""
        import pyarrow as pa
        from pyspark.sql.pandas.types import from_arrow_schema

        schema = from_arrow_schema(pa.schema(list(columns.items())))
        if not paths:
            self.spark.createDataFrame([], schema).createOrReplaceTempView(name)
            return name
        rows = self.spark.read.schema(schema).parquet(*paths)
        if gone:
            # Names of files are unique; their addresses are spelled differently by every engine.
            places = self.spark.read.parquet(*gone).selectExpr(
                "substring_index(file_path, '/', -1) AS segsync_file", "pos AS segsync_row"
            )
            numbered = rows.selectExpr(
                "*", "_metadata.file_name AS segsync_file", "_metadata.row_index AS segsync_row"
            )
            rows = numbered.join(places.hint("broadcast"), ["segsync_file", "segsync_row"], "left_anti")
            rows = rows.drop("segsync_file", "segsync_row")
        rows.createOrReplaceTempView(name)
        return name

    def columns(self, relation: str) -> Sequence[str]:
        """See `rules.engine.session.Session`."""
        columns: list[str] = self.spark.sql(f"SELECT * FROM {relation}").columns
        return columns

    def make(self, derived: Derived) -> None:
        """See `rules.engine.session.Session`."""
        kept = self._kept.setdefault(derived.name, [])
        for part in (*derived.parts, derived):
            frame = self.spark.sql(part.select)
            if part.reused:
                kept.append(frame.persist())
            frame.createOrReplaceTempView(part.name)

    def unneeded(self, name: str) -> None:
        """See `rules.engine.session.Session`. What was made of it is not computed yet."""

    def keep(self, name: str, table: pa.Table, types: Mapping[str, str]) -> None:
        """See `rules.engine.session.Session`."""
        read = [f"{one}::{types[one]} AS {one}" if one in types else one for one in table.column_names]
        self.spark.createDataFrame(table).selectExpr(*read).createOrReplaceTempView(name)

    def drop(self, name: str) -> None:
        """See `rules.engine.session.Session`."""
        self.spark.catalog.dropTempView(name)
        for frame in self._kept.pop(name, ()):
            frame.unpersist()

    def select(self, select: str) -> pa.Table:
        """See `rules.engine.session.Session`."""
        return self.spark.sql(select).toArrow()

    def thresholds(self, ranked: Sequence[Ranked], source: str, _: Clock) -> tuple[Found, Order]:
        """See `rules.engine.session.Session`. Everybody's values stay with Spark."""
        return thresholds(self.spark, ranked, source, most_sorted=self._most_sorted), Order()

    def check_pattern(self, pattern: str) -> None:
        """See `rules.engine.session.Session`."""
        import duckdb

        with duckdb.connect() as connection:
            DuckDBSession(connection).check_pattern(pattern)


def _register_matching(spark: SparkSession) -> None:
    """RE2 on the workers, by DuckDB: Java's expressions differ in meaning, and some take for ever."""
    import pyspark.sql.functions as functions

    # Inside a function, so that it is sent to the workers as it is: they need DuckDB, but not segsync.
    def matches(texts, patterns):  # type: ignore[no-untyped-def]
        import duckdb
        import pyarrow

        if len(texts) == 0:
            return pyarrow.array([], pyarrow.bool_())
        pattern = "'" + patterns[0].as_py().replace("'", "''") + "'"
        rows = pyarrow.table({"text": texts, "place": pyarrow.array(range(len(texts)))})
        with duckdb.connect(config={"threads": "1"}) as connection:
            connection.register("rows", rows)
            search = f"SELECT regexp_matches(text, {pattern}) AS found FROM rows ORDER BY place"
            found = connection.sql(search).to_arrow_table()
        return found["found"].combine_chunks()

    spark.udf.register(MATCHES, functions.arrow_udf(matches, "boolean"))
