"""What the processes of an organization count, watch and tell of their health; served by ``network.operations``."""
