"""Measurements of the whole and of its parts; ``docs/benchmarks.md`` says what each one means."""
