from tests.sync.models.conftest import lake_store

__all__ = ["lake_store"]
