"""Measurements of time; nothing here is a test."""
