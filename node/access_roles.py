"""Which of the node's own methods needs which role: one row for each, and what a certificate without the role is told.

A certificate that names no role speaks for its organization as before there were roles, unless the node's settings ask
for one (``roles_required``): then it is another node's, and opens what members' nodes ask one another. Fabric's
services check signatures inside the messages and have no row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from network.role_unit import Role

_RANKS = (Role.READER, Role.POSTER, Role.OPERATOR)

_ROWS: Mapping[str, Mapping[Role | None, str]] = {
    "dwaybank.ledger.v1.LedgerService": {
        Role.READER: "GetAccount ListAccounts GetEntry GetStatement GetTrialBalance ListDayChanges "
        "FindRepeatedMovements ListRefusals",
        Role.POSTER: "OpenAccount PostEntries PlaceHold CaptureHold ReleaseHold",
        Role.OPERATOR: "SetAccountTerms",
    },
    "dwaybank.ledger.v1.ChartService": {
        Role.READER: "ListBooks GetChart ListChartChanges ListMisfits GetCodeBalances SearchAccounts "
        "ListMetadataChanges ListAliasChanges ResolveAliases ListAccountChanges",
        # An alias says where money goes that is sent to it: no poster's to change.
        Role.OPERATOR: "OpenBook OpenPortfolio OpenSegment DefineChart PlaceAccount SetMetadata SetAlias",
    },
    "dwaybank.ledger.v1.CurrencyService": {
        Role.READER: "ListAssets GetRate AuditExchanges",
        Role.POSTER: "PostExchange",
        Role.OPERATOR: "RegisterAsset RecordRate Revalue",
    },
    "dwaybank.ledger.v1.EventService": {
        Role.READER: "FollowOutbox ListMonitors ListWebhooks",
        Role.OPERATOR: "SetMonitor DropMonitor AddWebhook RemoveWebhook ResumeWebhook",
    },
    "dwaybank.ledger.v1.PeriodService": {
        Role.READER: "GetBalanceAt GetTrialBalanceAt GetStatementBetween ListPeriods",
        Role.OPERATOR: "ClosePeriod ReopenPeriod",
    },
    "dwaybank.ledger.v1.ReconciliationService": {
        Role.READER: "ListExceptions ListMatches ListDecisions GetStatus",
        Role.POSTER: "ImportStatement Run",
        Role.OPERATOR: "Decide TakeApart",
    },
    "dwaybank.ledger.v1.ScheduleService": {
        Role.READER: "GetSchedule ListSchedules ListRuns",
        Role.POSTER: "CreateSchedule ChangeSchedule",
    },
    "dwaybank.ledger.v1.TenantService": {
        Role.READER: "ListTenants ListSharedAccounts ListTenantChanges",
        Role.OPERATOR: "CreateTenant GiveBook BindLogin ShareAccount",
    },
    "dwaybank.partner.v1.SettlementService": {
        Role.READER: "GetPayment ComparePositions ListPartners AskStatus ListEvidence FetchStatement FollowPartner",
        Role.POSTER: "SendPayment CancelPayment ReturnPayment RequestQuote",
    },
    "dwaybank.partner.v1.ObligationService": {
        Role.READER: "ListObligations GetObligation Reconcile GetTerms",
        Role.OPERATOR: "MoveObligation ProposeExchange SetTerm",
    },
    "dwaybank.partner.v1.NettingService": {
        Role.READER: "ListCycles GetCycle",
        Role.OPERATOR: "OpenCycle",
    },
    "dwaybank.partner.v1.DisputeService": {
        None: "ReadStatement",
        Role.READER: "ListDisputes GetDispute",
        Role.OPERATOR: "OpenDispute MoveDispute",
    },
    "dwaybank.partner.v1.PartnerService": {
        None: "GetVersion GetQuote PrepareSettlement CompleteSettlement AbortSettlement QuerySettlement "
        "GetVostroStatement FollowSettlements",
    },
    "dwaybank.audit.v1.AuditService": {
        None: "Disclose ReadTile ReadCheckpoint RecomputeLeaves ReadFindingText ReadReceipt OpenControlTotals",
        Role.READER: "GetAnchorStatus SearchAudit GetProof AuditBooks ListDemands ListReviews SearchEntries "
        "ExportEntries GetDisclosedBundle ListSavedSearches ListLooks ListFindings GetFinding GetReceipt ListReceipts "
        "ListControlTotals",
        # Who a customer is, is for whom the bank or the regulator names: GetDisclosedDetails unseals it.
        Role.OPERATOR: "DemandDisclosure FetchDisclosure AllowDemand RefuseDemand GetDisclosedDetails DecideReview "
        "SaveSearch DropSavedSearch OpenFinding MoveFinding",
    },
    "dwaybank.audit.v1.PortalService": {
        Role.READER: "ListMembers ListCases GetCase",
        Role.OPERATOR: "OpenCase AddToCase AddPasskey ListPasskeys UsePasskey DropPasskey",
    },
    "dwaybank.audit.v1.ProofService": {
        Role.READER: "ProveRange ProveAccount ProvePeriod ProveConsistency ProveFork",
    },
    "dwaybank.audit.v1.ReportService": {
        Role.READER: "ListReports GetReport",
        Role.OPERATOR: "MakeReport",
    },
}


def _methods(rows: Mapping[str, str]) -> frozenset[str]:
    return frozenset(f"/{service}/{method}" for service, methods in rows.items() for method in methods.split())


LEAST: Mapping[str, Role | None] = MappingProxyType(
    {
        path: role
        for service, by_role in _ROWS.items()
        for role, methods in by_role.items()
        for path in _methods({service: methods})
    }
)
"""The least role that opens each method; None for what members' nodes ask one another."""

SERVICES: Mapping[Role, frozenset[str]] = MappingProxyType(
    {
        Role.GATEWAY: _methods(
            {
                "dwaybank.ledger.v1.LedgerService": "OpenAccount GetAccount GetStatement GetEntry PostEntries",
                "dwaybank.partner.v1.SettlementService": "SendPayment GetPayment",
                "dwaybank.audit.v1.AuditService": "GetProof",
            }
        ),
        Role.PORTAL: _methods(
            {
                "dwaybank.audit.v1.AuditService": "GetAnchorStatus SearchAudit SearchEntries ExportEntries "
                "GetDisclosedBundle GetDisclosedDetails SaveSearch ListSavedSearches DropSavedSearch ListLooks "
                "ListFindings GetFinding OpenFinding MoveFinding DemandDisclosure FetchDisclosure ListDemands",
                "dwaybank.audit.v1.PortalService": "ListMembers OpenCase ListCases GetCase AddToCase AddPasskey "
                "ListPasskeys UsePasskey DropPasskey",
                "dwaybank.audit.v1.ReportService": "MakeReport ListReports GetReport",
            }
        ),
    }
)
"""What ``gateway.node_client`` and ``gateway.portal`` call, and nothing else: strangers reach these programs."""


def refusal(role: Role | None, method: str, *, is_own: bool, role_required: bool) -> str:
    """Return why a certificate does not open a method; empty where nothing here is against it.

    Args:
        role: what it is for.
        method: full path.
        is_own: whether it is of this node's organization.
        role_required: whether one of this organization must say what it is for.
    """
    if role is Role.OPERATOR:
        return ""
    least = LEAST.get(method)
    if role is None:
        if not (is_own and role_required and least is not None):
            return ""
        return f"this method needs {least}, the certificate names no role (`dwaybank role-certificate` makes one)"
    if role in SERVICES:
        return "" if method in SERVICES[role] else f"this method is not for {role.name.lower()}s"
    if not is_own:
        return f"a certificate with {role} speaks to its own organization's node alone"
    if least is None:
        return f"this method is not for {role}"
    return "" if _RANKS.index(role) >= _RANKS.index(least) else f"this method needs {least}, the certificate has {role}"
