"""Other runtimes than torch for a model's networks: exported, checked against torch, chosen by what was measured."""
