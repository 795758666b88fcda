"""The rules on Apache Spark: the same representation and plan, in Spark's words. Needs the extra `spark`.

Nothing here says what a rule means.
"""
