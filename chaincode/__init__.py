"""The business rules that members endorse, and the shim that serves them to any Fabric peer.

Imports ``network`` only.
"""
