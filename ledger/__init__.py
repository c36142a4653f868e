"""The books: double-entry accounting in PostgreSQL. Knows nothing of networks and imports no other room.

Rules:
- one door for writing: ``posting.Writer``, over the functions in ``sql/functions``; the application role may change no
  table by itself;
- one door for reading: the views in ``sql/views``, through ``balances``, ``statements`` and ``audit``;
- money is integers in minor units (``money``); nothing acknowledged is ever changed, only corrected by a new entry;
- every entry carries a compliance decision, stands in a gapless sequence, and is a leaf of the transparency log.

What other rooms read (schema ``ledger``; columns are explained in ``sql/migrations/0001_books.sql``):
- ``ledger.entry``: ``seq`` (from 1, gapless; log index = seq − 1), ``key`` uuid, ``posted_at``, ``effective_at``,
  ``settlement_id``, arrays ``posting_account`` (``ledger.account.id``), ``posting_asset``, ``posting_amount`` (debit
  above zero, credit below), ``posting_balance``, ``posting_previous``; ``description_commitment``, ``decision_id``
  uuid, ``decision_outcome`` (1 automated_approval, 2 requires_manual_review), ``decision_leaf``, ``salt``, ``leaf``;
  null are the ``effective_at`` that is ``posted_at``, and the salt that follows from the batch (``salt_of``);
- ``ledger.batch``: ``first_seq``, ``last_seq``, ``epoch``, ``digest``, ``signature``, ``salt_secret``: one row for each
  commit that posted something; digest = ``canonical.batch_digest`` over the leaves, signature = Ed25519 over the
  digest. Rows of ``entry`` that no valid batch covers were not written by the writer;
- ``ledger.head``: ``next_seq``, ``epoch``. The canonical form and the leaf: ``canonical``.
"""
