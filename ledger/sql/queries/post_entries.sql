SELECT o_code, o_seq, o_outcome, o_leaves FROM ledger.post_entries(
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s
)
