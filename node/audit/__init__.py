"""The audit trail as a service: search, proofs, disclosure on demand, and the audit of books."""
