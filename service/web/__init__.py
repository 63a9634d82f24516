"""The page that the service shows at its root."""
