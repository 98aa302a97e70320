"""Schedulers side by side on one data set: which runs, their execution, the statistics, the report."""
