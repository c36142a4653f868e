"""Fabric's operations service: health, metrics, log levels and version of a process, over HTTP, for whoever runs it.

Example:
    metrics, checks, levels = Metrics(), HealthChecks(now), LogLevels()
    service = OperationsService("127.0.0.1", 9443, None, metrics=metrics, checks=checks, levels=levels, version=version)
    port = await service.start()

What a process counts, and what makes it healthy, is its own affair; the forms are the same for all: Fabric's.
"""
