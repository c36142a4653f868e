from google.protobuf import timestamp_pb2 as _timestamp_pb2
from network.pb.dwaybank.ledger.v1 import ledger_pb2 as _ledger_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenBookRequest(_message.Message):
    __slots__ = ("book", "actor")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    book: str
    actor: str
    def __init__(self, book: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class OpenBookResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class OpenPortfolioRequest(_message.Message):
    __slots__ = ("book", "portfolio", "actor")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    book: str
    portfolio: str
    actor: str
    def __init__(self, book: _Optional[str] = ..., portfolio: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class OpenPortfolioResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class OpenSegmentRequest(_message.Message):
    __slots__ = ("book", "segment", "actor")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    book: str
    segment: str
    actor: str
    def __init__(self, book: _Optional[str] = ..., segment: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class OpenSegmentResponse(_message.Message):
    __slots__ = ("created",)
    CREATED_FIELD_NUMBER: _ClassVar[int]
    created: bool
    def __init__(self, created: bool = ...) -> None: ...

class ListBooksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Book(_message.Message):
    __slots__ = ("book", "portfolios", "segments")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIOS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    book: str
    portfolios: _containers.RepeatedScalarFieldContainer[str]
    segments: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, book: _Optional[str] = ..., portfolios: _Optional[_Iterable[str]] = ..., segments: _Optional[_Iterable[str]] = ...) -> None: ...

class ListBooksResponse(_message.Message):
    __slots__ = ("books",)
    BOOKS_FIELD_NUMBER: _ClassVar[int]
    books: _containers.RepeatedCompositeFieldContainer[Book]
    def __init__(self, books: _Optional[_Iterable[_Union[Book, _Mapping]]] = ...) -> None: ...

class ChartRule(_message.Message):
    __slots__ = ("pattern", "normal_side", "assets", "negative", "floor_minor", "overdraft_minor", "ceiling_minor")
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    NORMAL_SIDE_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CEILING_MINOR_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    normal_side: _ledger_pb2.Side
    assets: _containers.RepeatedScalarFieldContainer[str]
    negative: bool
    floor_minor: str
    overdraft_minor: str
    ceiling_minor: str
    def __init__(self, pattern: _Optional[str] = ..., normal_side: _Optional[_Union[_ledger_pb2.Side, str]] = ..., assets: _Optional[_Iterable[str]] = ..., negative: bool = ..., floor_minor: _Optional[str] = ..., overdraft_minor: _Optional[str] = ..., ceiling_minor: _Optional[str] = ...) -> None: ...

class Chart(_message.Message):
    __slots__ = ("book", "rules", "enforced")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    ENFORCED_FIELD_NUMBER: _ClassVar[int]
    book: str
    rules: _containers.RepeatedCompositeFieldContainer[ChartRule]
    enforced: bool
    def __init__(self, book: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[ChartRule, _Mapping]]] = ..., enforced: bool = ...) -> None: ...

class DefineChartRequest(_message.Message):
    __slots__ = ("chart", "actor", "if_version")
    CHART_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    chart: Chart
    actor: str
    if_version: int
    def __init__(self, chart: _Optional[_Union[Chart, _Mapping]] = ..., actor: _Optional[str] = ..., if_version: _Optional[int] = ...) -> None: ...

class DefineChartResponse(_message.Message):
    __slots__ = ("chart", "version")
    CHART_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    chart: Chart
    version: int
    def __init__(self, chart: _Optional[_Union[Chart, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class GetChartRequest(_message.Message):
    __slots__ = ("book",)
    BOOK_FIELD_NUMBER: _ClassVar[int]
    book: str
    def __init__(self, book: _Optional[str] = ...) -> None: ...

class GetChartResponse(_message.Message):
    __slots__ = ("chart", "version")
    CHART_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    chart: Chart
    version: int
    def __init__(self, chart: _Optional[_Union[Chart, _Mapping]] = ..., version: _Optional[int] = ...) -> None: ...

class ListChartChangesRequest(_message.Message):
    __slots__ = ("book", "page_size", "page_token")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    book: str
    page_size: int
    page_token: str
    def __init__(self, book: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ChartChange(_message.Message):
    __slots__ = ("number", "at", "actor", "what")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    actor: str
    what: str
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., what: _Optional[str] = ...) -> None: ...

class ListChartChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[ChartChange]
    next_page_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[ChartChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListMisfitsRequest(_message.Message):
    __slots__ = ("book", "page_size", "page_token")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    book: str
    page_size: int
    page_token: str
    def __init__(self, book: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Misfit(_message.Message):
    __slots__ = ("account", "rule", "code")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    account: str
    rule: str
    code: str
    def __init__(self, account: _Optional[str] = ..., rule: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class ListMisfitsResponse(_message.Message):
    __slots__ = ("misfits", "next_page_token")
    MISFITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    misfits: _containers.RepeatedCompositeFieldContainer[Misfit]
    next_page_token: str
    def __init__(self, misfits: _Optional[_Iterable[_Union[Misfit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PlaceAccountRequest(_message.Message):
    __slots__ = ("account", "portfolio", "segment", "actor")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    portfolio: str
    segment: str
    actor: str
    def __init__(self, account: _Optional[str] = ..., portfolio: _Optional[str] = ..., segment: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class PlaceAccountResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class GetCodeBalancesRequest(_message.Message):
    __slots__ = ("book", "depth")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    book: str
    depth: int
    def __init__(self, book: _Optional[str] = ..., depth: _Optional[int] = ...) -> None: ...

class CodeBalance(_message.Message):
    __slots__ = ("code", "asset", "debit_minor", "credit_minor", "account_count")
    CODE_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    DEBIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CREDIT_MINOR_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_COUNT_FIELD_NUMBER: _ClassVar[int]
    code: str
    asset: str
    debit_minor: str
    credit_minor: str
    account_count: int
    def __init__(self, code: _Optional[str] = ..., asset: _Optional[str] = ..., debit_minor: _Optional[str] = ..., credit_minor: _Optional[str] = ..., account_count: _Optional[int] = ...) -> None: ...

class GetCodeBalancesResponse(_message.Message):
    __slots__ = ("balances",)
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[CodeBalance]
    def __init__(self, balances: _Optional[_Iterable[_Union[CodeBalance, _Mapping]]] = ...) -> None: ...

class SearchAccountsRequest(_message.Message):
    __slots__ = ("metadata", "prefix", "book", "portfolio", "segment", "page_size", "page_token")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    metadata: _containers.ScalarMap[str, str]
    prefix: str
    book: str
    portfolio: str
    segment: str
    page_size: int
    page_token: str
    def __init__(self, metadata: _Optional[_Mapping[str, str]] = ..., prefix: _Optional[str] = ..., book: _Optional[str] = ..., portfolio: _Optional[str] = ..., segment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class FoundAccount(_message.Message):
    __slots__ = ("account", "book", "portfolio", "segment", "aliases", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    PORTFOLIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    account: _ledger_pb2.Account
    book: str
    portfolio: str
    segment: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, account: _Optional[_Union[_ledger_pb2.Account, _Mapping]] = ..., book: _Optional[str] = ..., portfolio: _Optional[str] = ..., segment: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SearchAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[FoundAccount]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[FoundAccount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetMetadataRequest(_message.Message):
    __slots__ = ("account", "metadata", "actor")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    account: str
    metadata: _containers.ScalarMap[str, str]
    actor: str
    def __init__(self, account: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., actor: _Optional[str] = ...) -> None: ...

class SetMetadataResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class ListMetadataChangesRequest(_message.Message):
    __slots__ = ("account", "name", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    name: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class MetadataChange(_message.Message):
    __slots__ = ("number", "at", "actor", "name", "before", "after")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    actor: str
    name: str
    before: str
    after: str
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., name: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class ListMetadataChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[MetadataChange]
    next_page_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[MetadataChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetAliasRequest(_message.Message):
    __slots__ = ("alias", "account", "move", "actor")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    alias: str
    account: str
    move: bool
    actor: str
    def __init__(self, alias: _Optional[str] = ..., account: _Optional[str] = ..., move: bool = ..., actor: _Optional[str] = ...) -> None: ...

class SetAliasResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class ListAliasChangesRequest(_message.Message):
    __slots__ = ("alias",)
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    alias: str
    def __init__(self, alias: _Optional[str] = ...) -> None: ...

class AliasChange(_message.Message):
    __slots__ = ("number", "at", "actor", "before", "after")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    actor: str
    before: str
    after: str
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class ListAliasChangesResponse(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[AliasChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[AliasChange, _Mapping]]] = ...) -> None: ...

class ResolveAliasesRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class ResolveAliasesResponse(_message.Message):
    __slots__ = ("accounts",)
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, accounts: _Optional[_Iterable[str]] = ...) -> None: ...

class ListAccountChangesRequest(_message.Message):
    __slots__ = ("account", "page_size", "page_token")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account: str
    page_size: int
    page_token: str
    def __init__(self, account: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class AccountTerms(_message.Message):
    __slots__ = ("status", "floor_minor", "overdraft_minor", "ceiling_minor")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MINOR_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CEILING_MINOR_FIELD_NUMBER: _ClassVar[int]
    status: str
    floor_minor: str
    overdraft_minor: str
    ceiling_minor: str
    def __init__(self, status: _Optional[str] = ..., floor_minor: _Optional[str] = ..., overdraft_minor: _Optional[str] = ..., ceiling_minor: _Optional[str] = ...) -> None: ...

class AccountChange(_message.Message):
    __slots__ = ("number", "at", "actor", "before", "after")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    number: int
    at: _timestamp_pb2.Timestamp
    actor: str
    before: AccountTerms
    after: AccountTerms
    def __init__(self, number: _Optional[int] = ..., at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[str] = ..., before: _Optional[_Union[AccountTerms, _Mapping]] = ..., after: _Optional[_Union[AccountTerms, _Mapping]] = ...) -> None: ...

class ListAccountChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[AccountChange]
    next_page_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[AccountChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
