"""Millions of patients: Parquet to Parquet in blocks, in parts that any executor can run and a restart can keep."""

from predictor.scoring.files import Scored, score_file
from predictor.scoring.partitions import Partition, list_partitions, score_partition

__all__ = ["Partition", "Scored", "list_partitions", "score_file", "score_partition"]
