-- For the rest of the transaction: who is asked for, the rights of a tenant, and nothing can be changed.
SELECT set_config('dwaybank.tenant', %s, true), set_config('role', 'dwaybank_tenant', true),
    set_config('transaction_read_only', 'on', true)
