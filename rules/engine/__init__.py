"""The engines: `evaluate` for everyone on DuckDB, `person` for one person in plain Python."""

from rules.engine.evaluation import Evaluation, Tables, evaluate

__all__ = ["Evaluation", "Tables", "evaluate"]
