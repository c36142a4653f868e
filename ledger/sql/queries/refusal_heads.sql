SELECT number, substring(head FOR 33) FROM ledger.refusal WHERE number = ANY (%s)
