"""Posts scheduled entries when they are due."""
