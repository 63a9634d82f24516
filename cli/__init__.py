"""The command `penumbra`: parses arguments and calls the packages below."""
