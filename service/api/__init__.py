"""Routes, one noun a module."""
