"""Contract ``settlement``: what banks owe one another, and the proof that both booked it, with no amount in public.

One class, put together from its parts; each says what it keeps and who may call it:

- :mod:`chaincode.obligations`: the automaton of an obligation, payment versus payment;
- :mod:`chaincode.bookings`: both sides' commitments to what they booked, compared by the contract;
- :mod:`chaincode.pair_terms`: limits, collateral, cut-off times;
- :mod:`chaincode.netting`: cycles of which only each bank's net is paid;
- :mod:`chaincode.disputes`: what the two banks say, and who decides.

Private details lie in one collection for each pair of banks, with the regulator among its readers; a write there needs
a peer of each of the two banks (``network/topology.py`` defines them for a new consortium).
"""

from __future__ import annotations

from chaincode.bookings import BookingsContract
from chaincode.disputes import DisputesContract
from chaincode.netting import NettingContract
from chaincode.obligations import ObligationsContract
from chaincode.pair_terms import PairTermsContract
from network.obligation import SETTLEMENT


class SettlementContract(ObligationsContract, BookingsContract, PairTermsContract, NettingContract, DisputesContract):
    """Obligations between banks."""

    name = SETTLEMENT
    version = "1.0"
