"""The rule language: rule files and expressions → checked `rules.ir`, with every problem and its place.

No engine, no data, no clock. The grammar is read when the first expression is.
"""

from rules.language.cases import Case
from rules.language.checks.expression import compile_expression
from rules.language.files import Asked, Loaded, Sent, clusterings_in, defined, load, sent
from rules.language.folder import rule_files, wrong_links
from rules.language.problems import Problem, Severity
from rules.language.render import describe, render, render_literal, render_period
from rules.language.schema import json_schema

__all__ = [
    "Asked",
    "Case",
    "Loaded",
    "Problem",
    "Sent",
    "Severity",
    "clusterings_in",
    "compile_expression",
    "defined",
    "describe",
    "json_schema",
    "load",
    "render",
    "render_literal",
    "render_period",
    "rule_files",
    "sent",
    "wrong_links",
]
