"""A table and its target column: load → prepare → fit → simplify → compile → predict."""

from tunewright.workloads.tabular.workload import TableSpec, TableWorkload, table

__all__ = ["TableSpec", "TableWorkload", "table"]
