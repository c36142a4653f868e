-- An entry's postings on one account in their order: amount with its side (debit above zero), balance after it.
CREATE OR REPLACE FUNCTION ledger.postings_on(p_entry ledger.entry, p_account_id bigint)
RETURNS TABLE (number integer, amount bigint, balance bigint)
LANGUAGE sql STABLE AS $$
    SELECT 1, p_entry.amount, p_entry.debit_balance
    WHERE p_entry.debit_account = p_account_id
    UNION ALL
    SELECT 2, -p_entry.amount, p_entry.credit_balance
    WHERE p_entry.credit_account = p_account_id
    UNION ALL
    SELECT posting.number::integer, posting.amount, posting.balance
    FROM unnest(p_entry.posting_account, p_entry.posting_amount, p_entry.posting_balance)
        WITH ORDINALITY AS posting (account_id, amount, balance, number)
    WHERE posting.account_id = p_account_id
$$;
