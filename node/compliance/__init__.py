"""Screening of every entry by the bank's rules: decisions, their records, and the epochs that anchor them."""
