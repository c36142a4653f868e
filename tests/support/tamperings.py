"""What an administrator may do to ``rich_books``, and what ``verify`` says: the first finding, and another one."""

from __future__ import annotations

TAMPERINGS = {
    "amount changed": (
        "UPDATE ledger.entry SET amount = 900 WHERE seq = 7",
        "entry 7: its row does not give the leaf that stands with it",
        "entry 7: posting 1 leaves balance 728, its postings sum to 1521",
    ),
    "amount changed and balances with it": (
        "UPDATE ledger.entry SET amount = amount + 1, debit_balance = debit_balance + 1, credit_balance = "
        "credit_balance + 1 WHERE seq = 7",
        "entry 7: its row does not give the leaf that stands with it",
        "account alice: has balance 4397, its postings sum to 4398",
    ),
    "entry deleted": (
        "DELETE FROM ledger.entry WHERE seq = 8",
        "entry 8: is missing: entry 9 follows entry 7",
        "account alice: does not name its newest entry or its number of postings",
    ),
    "last entry deleted": (
        "DELETE FROM ledger.entry WHERE seq = 75",
        "batch 75: covers entries that do not stand",
        "account alice: does not name its newest entry or its number of postings",
    ),
    "entry forged at the end": (
        "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', 76, 'key', "
        "gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 1",
        "entry 76: its row does not give the leaf that stands with it",
        "entry 76: was posted before the entry that it follows",
    ),
    "entry forged far ahead": (
        "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', "
        "4000000000000000000, 'key', gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 1",
        "entry 76: is missing: entry 4000000000000000000 follows entry 75",
        "account alice: does not name its newest entry or its number of postings",
    ),
    "leaf changed": (
        "UPDATE ledger.entry SET leaf = sha256('x') WHERE seq = 9",
        "entry 9: its row does not give the leaf that stands with it",
        "entry 9: its row does not give the leaf that stands with it",
    ),
    "settlement changed": (
        "UPDATE ledger.entry SET settlement_id = 's-2' WHERE seq = 61",
        "entry 61: its row does not give the leaf that stands with it",
        "entry 61: its row does not give the leaf that stands with it",
    ),
    "actor changed": (
        "UPDATE ledger.actor SET name = 'clerk-8' WHERE name = 'clerk-7'",
        "entry 61: its row does not give the leaf that stands with it",
        "entry 61: its row does not give the leaf that stands with it",
    ),
    "account renamed": (
        "UPDATE ledger.account SET reference = 'fee' WHERE reference = 'fees'",
        "entry 61: its row does not give the leaf that stands with it",
        "entry 61: its row does not give the leaf that stands with it",
    ),
    "accounts of an entry changed": (
        "UPDATE ledger.entry SET debit_account = credit_account, credit_account = debit_account WHERE seq = 12",
        "entry 12: its row does not give the leaf that stands with it",
        "entry 12: posting 2 points back to entry 9, not to 11",
    ),
    "balance after a posting changed": (
        "UPDATE ledger.entry SET debit_balance = 1 WHERE seq = 11",
        "entry 11: posting 1 leaves balance 1, its postings sum to 1166",
        "entry 11: posting 1 leaves balance 1, its postings sum to 1166",
    ),
    "balance after the last posting of an account changed": (
        "UPDATE ledger.entry SET credit_balance = 1 WHERE seq = 75",
        "entry 75: posting 2 leaves balance 1, its postings sum to 4397",
        "entry 75: posting 2 leaves balance 1, its postings sum to 4397",
    ),
    "pointer changed": (
        "UPDATE ledger.entry SET credit_previous = 1 WHERE seq = 10",
        "entry 10: posting 2 points back to entry 1, not to 8",
        "entry 10: posting 2 points back to entry 1, not to 8",
    ),
    "pointer changed at the border of a range": (
        "UPDATE ledger.entry SET debit_previous = 9 WHERE seq = 11",
        "entry 11: posting 1 points back to entry 9, not to 10",
        "entry 11: posting 1 points back to entry 9, not to 10",
    ),
    "balance in a list changed": (
        "UPDATE ledger.entry SET posting_balance[2] = 1 WHERE seq = 61",
        "entry 61: posting 2 leaves balance 1, its postings sum to 3280",
        "entry 61: posting 2 leaves balance 1, its postings sum to 3280",
    ),
    "pointer in a list changed": (
        "UPDATE ledger.entry SET posting_previous[3] = 60 WHERE seq = 61",
        "entry 61: posting 3 points back to entry 60, not to 0",
        "entry 61: posting 3 points back to entry 60, not to 0",
    ),
    "list of another length": (
        "UPDATE ledger.entry SET posting_balance = posting_balance[1:2] WHERE seq = 61",
        "entry 61: posting 3 leaves balance null, its postings sum to 50",
        "entry 61: posting 3 leaves balance null, its postings sum to 50",
    ),
    "list of one amount beside plain columns": (
        "UPDATE ledger.entry SET posting_amount[1] = posting_amount[1] - 1 WHERE seq = 63",
        "entry 63: its row does not give the leaf that stands with it",
        "entry 63: is not among the dated postings of account null as it was posted",
    ),
    "postings that do not balance": (
        "UPDATE ledger.entry SET posting_amount[1] = 701 WHERE seq = 61",
        "entry 61: its row does not give the leaf that stands with it",
        "entry 61: its debits do not equal its credits",
    ),
    "asset of a posting changed": (
        "UPDATE ledger.entry SET asset_id = (SELECT id FROM ledger.asset WHERE code = 'USD') WHERE seq = 13",
        "entry 13: its row does not give the leaf that stands with it",
        "entry 13: posting 1 names no account, or one of another asset",
    ),
    "posted before its predecessor": (
        "UPDATE ledger.entry SET posted_at = posted_at - interval '1 hour',"
        " effective_at = coalesce(effective_at, posted_at) - interval '1 hour' WHERE seq = 15",
        "entry 15: its row does not give the leaf that stands with it",
        "entry 15: was posted before the entry that it follows",
    ),
    "signature changed": (
        "UPDATE ledger.batch SET signature = decode(repeat('00', 64), 'hex') WHERE first_seq = 5",
        "entry 5: no batch that the posting engine signed holds it",
        "entry 5: no batch that the posting engine signed holds it",
    ),
    "batch deleted": (
        "DELETE FROM ledger.batch WHERE first_seq = 5",
        # What its salt follows from is gone, too.
        "entry 5: its row does not give the leaf that stands with it",
        "batch 6: does not follow the batch before it, which ends with entry 4",
    ),
    "batch stretched": (
        "UPDATE ledger.batch SET last_seq = 6 WHERE first_seq = 5",
        "entry 5: no batch that the posting engine signed holds it",
        "batch 6: does not follow the batch before it, which ends with entry 6",
    ),
    "batch forged": (
        "INSERT INTO ledger.batch SELECT 76, 76, epoch, digest, signature FROM ledger.batch WHERE first_seq = 1",
        "batch 76: covers entries that do not stand",
        "batch 76: covers entries that do not stand",
    ),
    "account balance changed": (
        "UPDATE ledger.account SET balance = balance + 7 WHERE reference = 'alice'",
        "account alice: has balance 4404, its postings sum to 4397",
        "account alice: has balance 4404, its postings sum to 4397",
    ),
    "account held changed": (
        "UPDATE ledger.account SET held = held + 5 WHERE reference = 'cash'",
        "account cash: holds 5, its placed holds sum to 0",
        "account cash: holds 5, its placed holds sum to 0",
    ),
    "account's newest entry changed": (
        "UPDATE ledger.account SET last_seq = 1 WHERE reference = 'cash'",
        "account cash: does not name its newest entry or its number of postings",
        "account cash: does not name its newest entry or its number of postings",
    ),
    "account's count changed": (
        "UPDATE ledger.account SET posting_count = posting_count - 1 WHERE reference = 'cash'",
        "account cash: does not name its newest entry or its number of postings",
        "account cash: does not name its newest entry or its number of postings",
    ),
    "account's terms changed": (
        "UPDATE ledger.account SET floor = -5000 WHERE reference = 'bob'",
        "account bob: its terms are not those that the history of its changes ends with",
        "account bob: its terms are not those that the history of its changes ends with",
    ),
    "account's history shortened": (
        "DELETE FROM ledger.account_change",
        "event 70.2: tells of what does not stand so: account.changed",
        "account bob: its terms are not those that the history of its changes ends with",
    ),
    "account's history changed": (
        "UPDATE ledger.account_change SET after = jsonb_set(after, '{floor}', '-2000')",
        "event 70.2: tells of what does not stand so: account.changed",
        "account bob: its terms are not those that the history of its changes ends with",
    ),
    "account moved to another book": (
        "UPDATE ledger.account SET book_id = 2 WHERE reference = 'bob'",
        "account bob: stands in another book than it was opened in",
        "account bob: stands in another book than it was opened in",
    ),
    "hold's captured money changed": (
        "UPDATE ledger.hold SET captured = 10 WHERE id = '00000000-0000-0000-0000-000000002329'",
        "account alice: holds 430, its placed holds sum to 490",
        "hold 00000000-0000-0000-0000-000000002329: says 10 was captured, the newest time by entry 70; the "
        "entries that name it took 70, the newest is entry 70",
    ),
    "hold's newest capture changed": (
        "UPDATE ledger.hold SET entry_seq = 68 WHERE id = '00000000-0000-0000-0000-000000002329'",
        "hold 00000000-0000-0000-0000-000000002329: says 70 was captured, the newest time by entry 68; the "
        "entries that name it took 70, the newest is entry 70",
        "hold 00000000-0000-0000-0000-000000002329: says 70 was captured, the newest time by entry 68; the "
        "entries that name it took 70, the newest is entry 70",
    ),
    "ended hold's captured money changed": (
        "UPDATE ledger.hold SET captured = 61 WHERE id = '00000000-0000-0000-0000-00000000232a'",
        "hold 00000000-0000-0000-0000-00000000232a: says 61 was captured, the newest time by entry 69; the "
        "entries that name it took 60, the newest is entry 69",
        "hold 00000000-0000-0000-0000-00000000232a: says 61 was captured, the newest time by entry 69; the "
        "entries that name it took 60, the newest is entry 69",
    ),
    "ended hold opened again": (
        "UPDATE ledger.hold SET state = 1, ended_at = NULL WHERE id = '00000000-0000-0000-0000-00000000232a'",
        "entry 69: its event tells that 0 of hold 00000000-0000-0000-0000-00000000232a remained, it was 440",
        "account alice: holds 430, its placed holds sum to 870",
    ),
    "hold said to be captured by another entry": (
        "UPDATE ledger.hold SET captured = 5, entry_seq = 3, state = 2 WHERE id = "
        "'00000000-0000-0000-0000-00000000232b'",
        "event 69.2: tells of what does not stand so: hold.released of hold 00000000-0000-0000-0000-00000000232b",
        "hold 00000000-0000-0000-0000-00000000232b: says 5 was captured, the newest time by entry 3, which did not",
    ),
    "capture by the wrong entry": (
        "UPDATE ledger.entry SET hold_id = '00000000-0000-0000-0000-000000002329' WHERE seq = 71",
        "entry 71: its row does not give the leaf that stands with it",
        "entry 71: takes nothing from the account of hold 00000000-0000-0000-0000-000000002329, which it captures",
    ),
    "capture of no hold": (
        "UPDATE ledger.entry SET hold_id = key WHERE seq = 68",
        "entry 68: its row does not give the leaf that stands with it",
        "entry 68: takes nothing from the account of hold 00000000-0000-0000-0000-000000000044, which it captures",
    ),
    "reversal of more than there was": (
        "UPDATE ledger.entry SET amount = 4 WHERE seq = 67",
        "entry 67: its row does not give the leaf that stands with it",
        "entry 67: takes back what entry 64 does not have, or more than remains of it",
    ),
    "reversal of another entry": (
        "UPDATE ledger.entry SET reverses = 1 WHERE seq = 67",
        "entry 67: its row does not give the leaf that stands with it",
        "entry 67: takes back what entry 1 does not have, or more than remains of it",
    ),
    "reversal of a reversal": (
        "UPDATE ledger.entry SET reverses = 66 WHERE seq = 67",
        "entry 67: its row does not give the leaf that stands with it",
        "entry 67: takes back what entry 66 does not have, or more than remains of it",
    ),
    "reversal of nothing": (
        "UPDATE ledger.entry SET reverses = 4000 WHERE seq = 67",
        "entry 67: its row does not give the leaf that stands with it",
        "entry 67: takes back what entry 4000 does not have, or more than remains of it",
    ),
    "reversal made up": (
        "UPDATE ledger.entry SET reverses = 61 WHERE seq = 69",
        "entry 69: its row does not give the leaf that stands with it",
        "entry 69: takes back what entry 61 does not have, or more than remains of it",
    ),
    "chain broken": (
        "UPDATE ledger.entry SET chain_seq = 65 WHERE seq = 64",
        "entry 64: its row does not give the leaf that stands with it",
        "entry 64: is no part of the chain of entry 65",
    ),
    "chain made up": (
        "UPDATE ledger.entry SET chain_seq = 3 WHERE seq = 21",
        "entry 21: its row does not give the leaf that stands with it",
        "entry 21: is no part of the chain of entry 3",
    ),
    "description changed": (
        "UPDATE ledger.description SET description = 'loan'",
        "entry 63: its description is not what it commits to",
        "entry 63: its description is not what it commits to",
    ),
    "metadata changed": (
        'UPDATE ledger.metadata SET pairs = pairs || \'{"unit": "Z"}\'',
        "entry 63: its metadata is not what it commits to",
        "entry 63: its metadata is not what it commits to",
    ),
    "description made up": (
        "INSERT INTO ledger.description SELECT 3, salt, description FROM ledger.description",
        "entry 3: its description is not what it commits to",
        "entry 3: its description is not what it commits to",
    ),
    "metadata made up": (
        "INSERT INTO ledger.metadata SELECT 3, salt, pairs FROM ledger.metadata",
        "entry 3: its metadata is not what it commits to",
        "entry 3: its metadata is not what it commits to",
    ),
    "mark moved": (
        "UPDATE ledger.mark SET number = number + 1",
        "entry 72: is marked at another place of its account's chain, or at another time, than it has",
        "entry 72: is marked at another place of its account's chain, or at another time, than it has",
    ),
    "mark at another entry of the account": (
        "UPDATE ledger.mark SET seq = seq - 1",
        "entry 71: is marked at another place of its account's chain, or at another time, than it has",
        "entry 71: is marked at another place of its account's chain, or at another time, than it has",
    ),
    "mark at an entry of others": (
        "UPDATE ledger.mark SET seq = 61",
        "mark 64 of account cash: stands at entry 61, which does not touch the account",
        "mark 64 of account cash: stands at entry 61, which does not touch the account",
    ),
    "mark at another time": (
        "UPDATE ledger.mark SET posted_at = posted_at + interval '1 second'",
        "entry 72: is marked at another place of its account's chain, or at another time, than it has",
        "entry 72: is marked at another place of its account's chain, or at another time, than it has",
    ),
    "dated posting changed": (
        "UPDATE ledger.dated_posting SET change = change + 1",
        "entry 63: is not among the dated postings of account alice as it was posted",
        "entry 63: is not among the dated postings of account cash as it was posted",
    ),
    "dated posting deleted": (
        "DELETE FROM ledger.dated_posting WHERE seq = 63",
        "entry 63: is not among the dated postings of account alice as it was posted",
        "entry 63: is not among the dated postings of account cash as it was posted",
    ),
    "dated posting made up": (
        "INSERT INTO ledger.dated_posting SELECT account_id, effective_at, 5, posted_at, change FROM "
        "ledger.dated_posting LIMIT 1",
        "entry 5: is not among the dated postings of account cash as it was posted",
        "entry 5: is not among the dated postings of account cash as it was posted",
    ),
    "head moved": (
        "UPDATE ledger.head SET next_seq = 77, signed_seq = 76",
        "head: says the next entry is 77, the newest entry is 75",
        "head: says the next entry is 77, the newest entry is 75",
    ),
    "head says less is signed": (
        "UPDATE ledger.head SET signed_seq = 74",
        "head: says entry 74 is the newest one signed, the next entry is 76",
        "head: says entry 74 is the newest one signed, the next entry is 76",
    ),
    "head gone": (
        "DELETE FROM ledger.head",
        "head: does not stand exactly once",
        "head: does not stand exactly once",
    ),
    "effective time changed": (
        "UPDATE ledger.entry SET effective_at = coalesce(effective_at, posted_at) + interval '1 hour' WHERE seq = 63",
        "entry 63: its row does not give the leaf that stands with it",
        "entry 63: is not among the dated postings of account alice as it was posted",
    ),
    "period closed by hand": (
        "UPDATE ledger.head SET closed_before = '2026-01-01'",
        "head: says periods are closed before 2026-01-01 00:00:00+00, the last one that is closed says nothing",
        "head: says periods are closed before 2026-01-01 00:00:00+00, the last one that is closed says nothing",
    ),
    "description beside no entry": (
        "INSERT INTO ledger.description SELECT 4000, salt, description FROM ledger.description",
        "entry 4000: its description is not what it commits to",
        "entry 4000: its description is not what it commits to",
    ),
    "row without a number": (
        "ALTER TABLE ledger.entry DROP CONSTRAINT entry_pkey CASCADE; ALTER TABLE ledger.entry ALTER seq DROP NOT"
        " NULL; ALTER TABLE ledger.entry_1 ALTER seq DROP NOT NULL; UPDATE ledger.entry SET seq = NULL WHERE seq = 5",
        "entry 5: is missing: entry 6 follows entry 4",
        "account alice: does not name its newest entry or its number of postings",
    ),
    "number that stands twice": (
        "ALTER TABLE ledger.entry DROP CONSTRAINT entry_pkey CASCADE; ALTER TABLE ledger.entry_1 DROP CONSTRAINT "
        "entry_1_key_key; INSERT INTO ledger.entry SELECT * FROM ledger.entry WHERE seq = 5",
        "entry 5: its row does not give the leaf that stands with it",
        "entry 5: stands twice, or below number 1",
    ),
    "number below 1": (
        "INSERT INTO ledger.entry SELECT (jsonb_populate_record(entry, jsonb_build_object('seq', -4, 'key', "
        "gen_random_uuid()))).* FROM ledger.entry AS entry WHERE seq = 1",
        "entry -4: its row does not give the leaf that stands with it",
        "entry -4: stands twice, or below number 1",
    ),
    "normal side changed": (
        "UPDATE ledger.account SET normal_side = 1 WHERE reference = 'fees'",
        "entry 61: posting 3 leaves balance 50, its postings sum to -50",
        "account fees: has balance 50, its postings sum to -50",
    ),
    "refusal changed": (
        "UPDATE ledger.refusal SET code = 'account_closed' WHERE number = 2",
        "entry 70: its row does not give the leaf that stands with it",
        "refusal 2: its row does not give the head of the chain that stands with it",
    ),
    "refusal changed and its head with it": (
        "UPDATE ledger.refusal SET code = 'account_closed', head = sha256('x') WHERE number = 2",
        "entry 70: its row does not give the leaf that stands with it",
        "refusal 3: its row does not give the head of the chain that stands with it",
    ),
    "refusal that no entry binds yet changed": (
        "UPDATE ledger.refusal SET key = gen_random_uuid() WHERE number = 5",
        "refusal 5: its row does not give the head of the chain that stands with it",
        "refusal 5: its row does not give the head of the chain that stands with it",
    ),
    "head of the last refusal changed": (
        "UPDATE ledger.refusal SET head = sha256('x') WHERE number = 5",
        "refusal 5: its row does not give the head of the chain that stands with it",
        "refusals 5 to 5: are not what the posting engine signed",
    ),
    "refusal deleted": (
        "DELETE FROM ledger.refusal WHERE number = 2",
        "entry 70: its row does not give the leaf that stands with it",
        "refusal 2: is missing: refusal 3 follows refusal 1",
    ),
    "refusal deleted at the end of its batch": (
        "DELETE FROM ledger.refusal WHERE number = 3",
        "entry 70: its row does not give the leaf that stands with it",
        "refusals 2 to 3: are signed for, but the last of them does not stand",
    ),
    "all that one entry binds deleted": (
        "DELETE FROM ledger.refusal WHERE number = 1; DELETE FROM ledger.refusal_batch WHERE first_number = 1",
        "entry 31: its row does not give the leaf that stands with it",
        "refusal 1: is missing: refusal 2 follows refusal 0",
    ),
    "last refusal deleted": (
        "DELETE FROM ledger.refusal WHERE number = 5",
        "refusals 5 to 5: are signed for, but the last of them does not stand",
        "refusals 5 to 5: are signed for, but the last of them does not stand",
    ),
    "refusal made up": (
        "INSERT INTO ledger.refusal SELECT (jsonb_populate_record(refusal, '{\"number\": 6}')).* FROM ledger.refusal "
        "WHERE number = 5",
        "refusal 6: its row does not give the head of the chain that stands with it",
        "refusal 6: no batch that the posting engine signed holds it",
    ),
    "refusal made up with a signature": (
        "INSERT INTO ledger.refusal SELECT (jsonb_populate_record(refusal, '{\"number\": 6}')).* FROM ledger.refusal "
        "WHERE number = 5; INSERT INTO ledger.refusal_batch SELECT 6, 6, epoch, signature FROM ledger.refusal_batch "
        "WHERE first_number = 5",
        "refusal 6: its row does not give the head of the chain that stands with it",
        "refusals 6 to 6: are not what the posting engine signed",
    ),
    "refusal moved to another entry": (
        "UPDATE ledger.refusal SET after_seq = 40 WHERE number = 1",
        "entry 31: its row does not give the leaf that stands with it",
        "refusal 1: is not bound by entry 41, the first after it",
    ),
    "refusal moved to another time": (
        "UPDATE ledger.refusal SET at = at + interval '1 day' WHERE number = 1",
        "entry 31: its row does not give the leaf that stands with it",
        "refusal 2: was judged before the refusal that it follows",
    ),
    "refusal at no time": (
        "UPDATE ledger.refusal SET at = 'infinity' WHERE number = 5",
        "refusal 5: its row does not give the head of the chain that stands with it",
        "refusal 5: its row does not give the head of the chain that stands with it",
    ),
    "refusal renumbered": (
        "UPDATE ledger.refusal SET number = 15 WHERE number = 5",
        "refusal 5: is missing: refusal 15 follows refusal 4",
        "refusal 5: no batch that the posting engine signed holds it",
    ),
    "refusal without a number": (
        "ALTER TABLE ledger.refusal DROP CONSTRAINT refusal_pkey; ALTER TABLE ledger.refusal ALTER number DROP NOT "
        "NULL; UPDATE ledger.refusal SET number = NULL WHERE number = 5",
        "refusals 5 to 5: are signed for, but the last of them does not stand",
        "refusal of key 00000000-0000-0000-0000-000000002329: has no number",
    ),
    "refusal that stands twice": (
        "ALTER TABLE ledger.refusal DROP CONSTRAINT refusal_pkey; INSERT INTO ledger.refusal SELECT * FROM "
        "ledger.refusal WHERE number = 5",
        "refusal 5: stands twice, or below number 1",
        "refusal 5: stands twice, or below number 1",
    ),
    "refusals no longer bound": (
        "UPDATE ledger.entry SET refusals = NULL WHERE seq = 31",
        "entry 31: its row does not give the leaf that stands with it",
        "refusal 1: is not bound by entry 31, the first after it",
    ),
    "refusals bound by an entry that follows none": (
        "UPDATE ledger.entry SET refusals = sha256('x') WHERE seq = 33",
        "entry 33: its row does not give the leaf that stands with it",
        "entry 33: its row does not give the leaf that stands with it",
    ),
    "signature of refusals changed": (
        "UPDATE ledger.refusal_batch SET signature = decode(repeat('00', 64), 'hex') WHERE first_number = 2",
        "refusals 2 to 3: are not what the posting engine signed",
        "refusals 2 to 3: are not what the posting engine signed",
    ),
    "signature of refusals deleted": (
        "DELETE FROM ledger.refusal_batch WHERE first_number = 2",
        "refusals 4 to 4: do not follow those signed before, up to 1",
        "refusals 4 to 4: do not follow those signed before, up to 1",
    ),
    "account deleted": (
        "DELETE FROM ledger.account WHERE reference = 'fees'",
        "entry 61: its row does not give the leaf that stands with it",
        "entry 61: posting 3 names no account, or one of another asset",
    ),
}
"""Name to statement, first finding, further finding (the same where there is one only)."""
