"""A ketamine cohort whose true probabilities are known. Everything here is SIMULATED and says so."""

from predictor.data.simulation.cohort import simulate_cohort
from predictor.data.simulation.export import WATERMARK, SimulatedCohort, write_cohort

__all__ = ["WATERMARK", "SimulatedCohort", "simulate_cohort", "write_cohort"]
