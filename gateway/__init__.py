"""HTTP for customers: stateless, speaks to its own organization's node by gRPC only. Imports ``network`` only."""
