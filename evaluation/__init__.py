"""Metrics, protocols and calibration."""
