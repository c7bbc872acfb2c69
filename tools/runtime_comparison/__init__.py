"""The parts of tools/compare_runtimes.py."""
