"""The engines: `evaluate` for everyone on DuckDB, `person` for one person in plain Python."""

from rules.engine.evaluation import Evaluation, evaluate
from rules.engine.tables import Tables

__all__ = ["Evaluation", "Tables", "evaluate"]
