"""Scores for answers: pure functions of the answer and its sample, one for each scorer that needs nobody else."""
