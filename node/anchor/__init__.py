"""From a posted entry to an anchored, attested one: the sealer, the anchorer, and the attester of others' logs."""
