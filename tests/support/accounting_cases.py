"""What the books do, as tables an accountant can read; ``tests/support/accounting_table.py`` says how they are written.

A new rule begins as a case here: ``tests/unit/ledger/test_accounting_tables.py`` plays it everywhere.
"""

from __future__ import annotations

TABLES = """
### Money comes in, moves on and goes out
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                      | code   | cash | alice | bob |
|------------------------------|--------|------|-------|-----|
| 1: Dr cash 500, Cr alice 500 | posted |  500 |   500 |   0 |
| 2: Dr alice 200, Cr bob 200  | posted |  500 |   300 | 200 |
| 3: Dr bob 200, Cr cash 200   | posted |  300 |   300 |   0 |

### An entry has many postings and balances in every asset
cash EUR debit, no floor
alice EUR credit
fees EUR credit
usd USD debit, no floor
carol USD credit

| request                                                       | code           | cash | alice | fees | usd | carol |
|---------------------------------------------------------------|----------------|------|-------|------|-----|-------|
| 1: Dr cash 100, Cr alice 70, Cr fees 30, Dr usd 5, Cr carol 5 | posted         |  100 |    70 |   30 |   5 |     5 |
| 2: Dr cash 100, Cr alice 70, Cr fees 29                       | unbalanced     |      |       |      |     |       |
| 3: Dr cash 100, Cr alice 100, Dr usd 5, Cr carol 6            | unbalanced     |      |       |      |     |       |
| 4: Dr cash 5, Dr usd 5, Cr alice 10                           | unbalanced     |      |       |      |     |       |
| 5: Dr cash 5, Cr carol 5                                      | asset_mismatch |      |       |      |     |       |
| 6: Dr cash 5, Cr carol 6                                      | asset_mismatch |      |       |      |     |       |
| 7: Dr cash 5, Cr alice 6                                      | unbalanced     |      |       |      |     |       |
| 8: Dr cash 5, Dr alice 5                                      | unbalanced     |      |       |      |     |       |
| 9: Dr cash 5, Dr usd 5                                        | asset_mismatch |      |       |      |     |       |

### Postings of one account count as one change
cash EUR debit, no floor
alice EUR credit
bob EUR credit, ceiling 50

| request                                  | code              | cash | alice | bob |
|------------------------------------------|-------------------|------|-------|-----|
| 1: Dr cash 100, Cr alice 60, Cr alice 40 | posted            |  100 |   100 |   0 |
| 2: Dr alice 60, Dr alice 60, Cr cash 120 | exceeds_available |      |       |     |
| 3: Dr alice 60, Dr alice 40, Cr cash 100 | posted            |    0 |     0 |     |
| 4: Dr cash 51, Cr bob 30, Cr bob 21      | exceeds_ceiling   |      |       |     |
| 5: Dr cash 50, Cr bob 30, Cr bob 20      | posted            |   50 |       |  50 |

### A key is used once; the same body is told again, another is refused
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                                            | code                       | cash | alice | bob |
|----------------------------------------------------|----------------------------|------|-------|-----|
| 1: Dr cash 100, Cr alice 100                       | posted                     |  100 |   100 |   0 |
| 1: Dr cash 100, Cr alice 100                       | exists                     |      |       |     |
| 1: Dr cash 101, Cr alice 101                       | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr bob 100                         | exists_with_different_body |      |       |     |
| 1: Dr alice 100, Cr cash 100                       | exists_with_different_body |      |       |     |
| 1: Cr alice 100, Dr cash 100                       | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr nobody 100                      | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; effective 2026-03-01 | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; settlement s-1       | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; text rent            | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; captures H1          | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; reverses #1          | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; by teller            | exists_with_different_body |      |       |     |
| 1: Dr cash 100, Cr alice 100; with channel=web     | exists_with_different_body |      |       |     |
| 2: Dr alice 1, Cr bob 1; by teller; with a=1 b=2   | posted                     |      |    99 |   1 |
| 2: Dr alice 1, Cr bob 1; by teller; with a=1 b=2   | exists                     |      |       |     |
| 2: Dr alice 1, Cr bob 1; by teller; with a=1 b=3   | exists_with_different_body |      |       |     |
| 2: Dr alice 1, Cr bob 1; by clerk; with a=1 b=2    | exists_with_different_body |      |       |     |

### A repeat gets its first answer whatever became of the accounts since
cash EUR debit, no floor
alice EUR credit

| request                                        | code          | cash | alice |
|------------------------------------------------|---------------|------|-------|
| 1: Dr cash 100, Cr alice 100                   | posted        |  100 |   100 |
| 2: Dr alice 100, Cr cash 100                   | posted        |    0 |     0 |
| alice: closed                                  | changed       |      |       |
| close before 2026-03-02                        | closed        |      |       |
| 1: Dr cash 100, Cr alice 100                   | exists        |      |       |
| 2: Dr alice 100, Cr cash 100                   | exists        |      |       |
| 3: Dr cash 1, Cr alice 1; effective 2026-03-01 | period_closed |      |       |

### A refused request does not burn its key
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                      | code                       | cash | alice | bob |
|------------------------------|----------------------------|------|-------|-----|
| 1: Dr alice 100, Cr bob 100  | exceeds_available          |    0 |     0 |   0 |
| 2: Dr cash 100, Cr alice 100 | posted                     |  100 |   100 |     |
| 1: Dr alice 99, Cr bob 99    | posted                     |      |     1 |  99 |
| 1: Dr alice 100, Cr bob 100  | exists_with_different_body |      |       |     |
| 1: Dr alice 99, Cr bob 99    | exists                     |      |       |     |

### The codes stand in their precedence
cash EUR debit, no floor
fees EUR credit, no floor
shut EUR credit
cold EUR credit
poor EUR credit
full EUR credit, ceiling 0
dollars USD debit, no floor

| request                                                                     | code              |       fees |
|-----------------------------------------------------------------------------|-------------------|------------|
| shut: closed                                                                | changed           |          0 |
| cold: frozen                                                                | changed           |            |
| 1: Dr cash max, Cr fees max                                                 | posted            |        max |
| H1: hold 5 of fees until 9s                                                 | posted            | max held 5 |
| 2: Dr nobody 9, Cr dollars 9; effective 2020-01-01                          | account_not_found |            |
| close before 2025-01-01                                                     | closed            |            |
| 2: Dr poor 9, Cr dollars 8; effective 2020-01-01; reverses #99; captures H9 | asset_mismatch    |            |
| 2: Dr poor 9, Cr shut 8; effective 2020-01-01; reverses #99; captures H9    | unbalanced        |            |
| 2: Dr poor 9, Cr shut 9; effective 2020-01-01; reverses #99; captures H9    | period_closed     |            |
| 2: Dr poor 9, Cr shut 9; reverses #99; captures H9                          | entry_not_found   |            |
| 2: Dr poor 9, Cr shut 9; reverses #1; captures H9                           | exceeds_original  |            |
| 2: Dr poor 9, Cr shut 9; captures H9                                        | hold_not_found    |            |
| 2: Dr poor 9, Cr shut 9; captures H1                                        | hold_mismatch     |            |
| 2: Dr poor 9, Cr cold 1, Cr shut 1, Cr fees 1, Cr full 6                    | account_closed    |            |
| 2: Dr poor 9, Cr cold 1, Cr fees 2, Cr full 6                               | account_frozen    |            |
| H2: hold 9 of nobody until 0s                                               | account_not_found |            |
| H2: hold 9 of shut until 0s                                                 | account_closed    |            |
| H2: hold 9 of cold until 0s                                                 | account_frozen    |            |
| H2: hold max of fees until 0s                                               | deadline_passed   |            |
| H2: hold max of fees until 1s                                               | balance_overflow  |            |
| H2: hold 9 of poor until 1s                                                 | exceeds_available |            |
| 2: Dr poor 9, Cr fees 2, Cr full 7                                          | balance_overflow  |            |
| 2: Dr poor 9, Cr full 9                                                     | exceeds_available |            |
| 2: Dr fees 9, Cr full 9                                                     | exceeds_ceiling   |            |
| 2: Dr fees 9, Cr poor 9; linked                                             | linked_failed     |            |
| 3: Dr fees 9, Cr full 9                                                     | exceeds_ceiling   |            |
| wait 9s                                                                     | waited            |            |
| 2: Dr fees 9, Cr shut 9; captures H1                                        | hold_expired      |            |
| sweep                                                                       | 1                 |        max |
| 2: Dr fees 9, Cr shut 9; captures H1                                        | hold_expired      |            |

### A floor, an overdraft line, a ceiling
cash EUR debit, no floor
saver EUR credit, floor 0
dave EUR credit, overdraft 50
capped EUR credit, ceiling 70

| request                      | code              | saver |  dave | capped |
|------------------------------|-------------------|-------|-------|--------|
| saver: floor 1               | below_floor       |     0 |     0 |      0 |
| 9: Dr cash 120, Cr saver 120 | posted            |   120 |       |        |
| saver: floor 100             | changed           |       |       |        |
| 10: Dr saver 21, Cr cash 21  | exceeds_available |       |       |        |
| 10: Dr saver 20, Cr cash 20  | posted            |   100 |       |        |
| 1: Dr dave 51, Cr cash 51    | exceeds_available |       |       |        |
| 1: Dr dave 50, Cr cash 50    | posted            |       |   -50 |        |
| dave: overdraft 49           | below_floor       |       |       |        |
| dave: overdraft 50           | unchanged         |       |       |        |
| 2: Dr cash 10, Cr dave 10    | posted            |       |   -40 |        |
| dave: overdraft 40           | changed           |       |       |        |
| 3: Dr dave 1, Cr cash 1      | exceeds_available |       |       |        |
| dave: no floor               | changed           |       |       |        |
| 3: Dr dave 999, Cr cash 999  | posted            |       | -1039 |        |
| 4: Dr cash 71, Cr capped 71  | exceeds_ceiling   |       |       |        |
| 4: Dr cash 70, Cr capped 70  | posted            |       |       |     70 |
| capped: ceiling 69           | above_ceiling     |       |       |        |
| capped: no ceiling           | changed           |       |       |        |
| 5: Dr cash 1, Cr capped 1    | posted            |       |       |     71 |
| nobody: floor 0              | account_not_found |       |       |        |

### A debit account has a floor and a ceiling too
till EUR debit, floor 0, ceiling 100
sales EUR credit, no floor

| request                      | code              | till | sales |
|------------------------------|-------------------|------|-------|
| 1: Dr till 101, Cr sales 101 | exceeds_ceiling   |    0 |     0 |
| 1: Dr till 100, Cr sales 100 | posted            |  100 |   100 |
| 2: Dr sales 101, Cr till 101 | exceeds_available |      |       |
| 2: Dr sales 100, Cr till 100 | posted            |    0 |     0 |

### Frozen money neither comes nor goes; an account is closed when it is empty
cash EUR debit, no floor
alice EUR credit

| request                               | code              | cash |     alice |
|---------------------------------------|-------------------|------|-----------|
| 1: Dr cash 10, Cr alice 10            | posted            |   10 |        10 |
| H1: hold 4 of alice until 9s          | posted            |      | 10 held 4 |
| alice: frozen                         | changed           |      |           |
| alice: frozen                         | unchanged         |      |           |
| 2: Dr cash 1, Cr alice 1              | account_frozen    |      |           |
| 2: Dr alice 1, Cr cash 1              | account_frozen    |      |           |
| 2: Dr alice 4, Cr cash 4; captures H1 | account_frozen    |      |           |
| alice: closed                         | account_not_empty |      |           |
| H1: release                           | posted            |      |        10 |
| alice: open                           | changed           |      |           |
| 2: Dr alice 10, Cr cash 10            | posted            |    0 |         0 |
| H2: hold 1 of alice until 9s          | exceeds_available |      |           |
| alice: closed                         | changed           |      |           |
| 3: Dr cash 1, Cr alice 1              | account_closed    |      |           |
| alice: open                           | changed           |      |           |
| 3: Dr cash 1, Cr alice 1              | posted            |    1 |         1 |

### Balances and held money reach the largest amount and go no further
cash EUR debit, no floor
alice EUR credit, no floor

| request                        | code             | cash |         alice |
|--------------------------------|------------------|------|---------------|
| H1: hold max of alice until 9s | posted           |    0 |    0 held max |
| H2: hold 1 of alice until 9s   | balance_overflow |      |               |
| 1: Dr cash max, Cr alice max   | posted           |  max |  max held max |
| 2: Dr cash 1, Cr alice 1       | balance_overflow |      |               |
| 2: Dr alice max, Cr cash max   | posted           |    0 |    0 held max |
| 3: Dr alice max, Cr cash max   | posted           | -max | -max held max |
| 4: Dr alice 1, Cr cash 1       | balance_overflow |      |               |

### Held money cannot be spent until it is released
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                              | code                       |       alice | bob |
|--------------------------------------|----------------------------|-------------|-----|
| 1: Dr cash 100, Cr alice 100         | posted                     |         100 |   0 |
| H1: hold 80 of alice until 60s       | posted                     | 100 held 80 |     |
| H1: hold 80 of alice until 60s       | exists                     |             |     |
| H1: hold 81 of alice until 60s       | exists_with_different_body |             |     |
| H1: hold 80 of alice until 61s       | exists_with_different_body |             |     |
| H1: hold 80 of bob until 60s         | exists_with_different_body |             |     |
| H2: hold 21 of alice until 60s       | exceeds_available          |             |     |
| 2: Dr alice 21, Cr bob 21            | exceeds_available          |             |     |
| 2: Dr alice 20, Cr bob 20            | posted                     |  80 held 80 |  20 |
| H1: release                          | posted                     |          80 |     |
| H1: release                          | exists                     |             |     |
| H1: hold 80 of alice until 60s       | exists                     |             |     |
| H2: release                          | hold_not_found             |             |     |
| 3: Dr alice 80, Cr bob 80            | posted                     |           0 | 100 |
| 4: Dr bob 1, Cr alice 1; captures H1 | hold_not_placed            |             |     |

### A hold is captured in parts until nothing remains
cash EUR debit, no floor
alice EUR credit
shop EUR credit

| request                                              | code              |        alice | shop |
|------------------------------------------------------|-------------------|--------------|------|
| 1: Dr cash 100, Cr alice 100                         | posted            |          100 |    0 |
| H1: hold 100 of alice until 60s                      | posted            | 100 held 100 |      |
| 2: Dr alice 101, Cr shop 101; captures H1            | hold_mismatch     |              |      |
| 2: Dr cash 5, Cr alice 5; captures H1                | hold_mismatch     |              |      |
| 2: Dr cash 5, Cr shop 5; captures H1                 | hold_mismatch     |              |      |
| 2: Dr alice 30, Cr shop 30; captures H1              | posted            |   70 held 70 |   30 |
| 3: Dr alice 1, Cr shop 1                             | exceeds_available |              |      |
| 3: Dr alice 71, Cr shop 71; captures H1              | hold_mismatch     |              |      |
| 3: Dr alice 20, Dr alice 20, Cr shop 40; captures H1 | posted            |   30 held 30 |   70 |
| H1: hold 100 of alice until 60s                      | exists            |              |      |
| 4: Dr alice 30, Cr shop 30; captures H1              | posted            |            0 |  100 |
| 5: Dr alice 1, Cr shop 1; captures H1                | hold_not_placed   |              |      |
| H1: release                                          | hold_not_placed   |              |      |
| 2: Dr alice 30, Cr shop 30; captures H1              | exists            |              |      |

### The last capture gives the rest back; a release keeps what was captured
cash EUR debit, no floor
alice EUR credit
shop EUR credit

| request                                               | code            |        alice | shop |
|-------------------------------------------------------|-----------------|--------------|------|
| 1: Dr cash 100, Cr alice 100                          | posted          |          100 |    0 |
| H1: hold 60 of alice until 60s                        | posted          |  100 held 60 |      |
| H2: hold 40 of alice until 60s                        | posted          | 100 held 100 |      |
| 2: Dr alice 10, Cr shop 10; captures H1; last capture | posted          |   90 held 40 |   10 |
| 3: Dr alice 1, Cr shop 1; captures H1                 | hold_not_placed |              |      |
| 3: Dr alice 15, Cr shop 15; captures H2               | posted          |   75 held 25 |   25 |
| H2: release                                           | posted          |           75 |      |
| 4: Dr alice 1, Cr shop 1; captures H2                 | hold_not_placed |              |      |
| 4: Dr alice 75, Cr shop 75                            | posted          |            0 |  100 |

### A hold ends at its deadline
cash EUR debit, no floor
alice EUR credit
shop EUR credit

| request                                 | code              |        alice | shop |
|-----------------------------------------|-------------------|--------------|------|
| 1: Dr cash 100, Cr alice 100            | posted            |          100 |    0 |
| H1: hold 50 of alice until 10s          | posted            |  100 held 50 |      |
| H2: hold 30 of alice until 10s          | posted            |  100 held 80 |      |
| H3: hold 20 of alice until 11s          | posted            | 100 held 100 |      |
| 2: Dr alice 20, Cr shop 20; captures H1 | posted            |   80 held 80 |   20 |
| wait 10s                                | waited            |              |      |
| 3: Dr alice 1, Cr shop 1; captures H1   | hold_expired      |              |      |
| 3: Dr alice 1, Cr shop 1                | exceeds_available |              |      |
| H2: release                             | hold_expired      |   80 held 50 |      |
| H2: release                             | hold_expired      |              |      |
| sweep                                   | 1                 |   80 held 20 |      |
| sweep                                   | 0                 |              |      |
| H1: release                             | hold_expired      |              |      |
| 3: Dr alice 20, Cr shop 20; captures H3 | posted            |           60 |   40 |
| H4: hold 1 of alice until 10s           | deadline_passed   |              |      |
| H4: hold 1 of alice until 11s           | posted            |    60 held 1 |      |

### A capture that is refused leaves its hold in place
cash EUR debit, no floor
alice EUR credit
bob EUR credit, ceiling 10

| request                                | code              |       alice | bob |
|----------------------------------------|-------------------|-------------|-----|
| 1: Dr cash 100, Cr alice 100           | posted            |         100 |   0 |
| H1: hold 60 of alice until 60s         | posted            | 100 held 60 |     |
| 2: Dr alice 60, Cr bob 60; captures H1 | exceeds_ceiling   |             |     |
| 3: Dr alice 41, Cr cash 41             | exceeds_available |             |     |
| bob: frozen                            | changed           |             |     |
| 2: Dr alice 9, Cr bob 9; captures H1   | account_frozen    |             |     |
| 2: Dr alice 9, Cr cash 9; captures H1  | posted            |  91 held 51 |     |

### Linked requests stand together
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                                      | code   | cash |      alice | bob |
|----------------------------------------------|--------|------|------------|-----|
| 1: Dr cash 100, Cr alice 100; linked         | posted |  100 |        100 |   0 |
| 2: Dr alice 100, Cr bob 100                  | posted |      |          0 | 100 |
| 3: Dr bob 50, Cr alice 50; linked            | posted |      |         50 |  50 |
| H1: hold 20 of alice until 60s               | posted |      | 50 held 20 |     |
| 4: Dr alice 5, Cr bob 5; captures H1; linked | posted |      | 45 held 15 |  55 |
| H1: release                                  | posted |      |         45 |     |

### Linked requests fall together and each is told
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                                      | code                       | cash |    alice | bob |
|----------------------------------------------|----------------------------|------|----------|-----|
| 1: Dr cash 9, Cr alice 9                     | posted                     |    9 |        9 |   0 |
| H1: hold 5 of alice until 60s                | posted                     |      | 9 held 5 |     |
| 2: Dr alice 4, Cr bob 4; linked              | linked_failed              |      |          |     |
| 3: Dr alice 5, Cr bob 5; captures H1; linked | linked_failed              |      |          |     |
| 4: Dr bob 10, Cr cash 10; linked             | exceeds_available          |      |          |     |
| 5: Dr nobody 1, Cr cash 1; linked            | linked_failed              |      |          |     |
| 6: Dr cash 1, Cr alice 1                     | linked_failed              |      |          |     |
| 7: Dr cash 1, Cr alice 1; linked             | linked_failed              |      |          |     |
| H1: hold 5 of alice until 61s                | exists_with_different_body |      |          |     |
| 2: Dr alice 4, Cr bob 4                      | posted                     |      | 5 held 5 |   4 |

### A chain asked again gets its first answers; what stands stands though a later chain fails
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                          | code                       | cash | alice | bob |
|----------------------------------|----------------------------|------|-------|-----|
| 1: Dr cash 9, Cr alice 9; linked | posted                     |    9 |     9 |   0 |
| 2: Dr alice 9, Cr bob 9          | posted                     |      |     0 |   9 |
| 1: Dr cash 9, Cr alice 9; linked | exists                     |      |       |     |
| 2: Dr alice 9, Cr bob 9          | exists                     |      |       |     |
| 1: Dr cash 9, Cr alice 9; linked | exists                     |      |       |     |
| 3: Dr cash 1, Cr bob 1           | linked_failed              |      |       |     |
| 3: Dr cash 1, Cr bob 1; linked   | linked_failed              |      |       |     |
| 2: Dr alice 9, Cr bob 9          | exists                     |      |       |     |
| 3: Dr cash 1, Cr bob 1           | posted                     |   10 |       |  10 |
| 4: Dr cash 5, Cr alice 5; linked | linked_failed              |      |       |     |
| 1: Dr cash 9, Cr alice 9; linked | exists                     |      |       |     |
| 4: Dr cash 5, Cr alice 5; linked | linked_failed              |      |       |     |
| 5: Dr alice 6, Cr bob 6; linked  | exceeds_available          |      |       |     |
| 1: Dr cash 9, Cr alice 9; linked | exists                     |      |       |     |
| 6: Dr cash 1, Cr bob 1           | linked_failed              |      |       |     |
| 6: Dr cash 1, Cr bob 1; linked   | linked_failed              |      |       |     |
| 1: Dr cash 8, Cr alice 8         | exists_with_different_body |      |       |     |

### A hold of a chain that fails does not stand, however often the chain asks for it
cash EUR debit, no floor
bob EUR credit

| request                            | code              |       bob |
|------------------------------------|-------------------|-----------|
| 1: Dr cash 10, Cr bob 10           | posted            |        10 |
| H1: hold 5 of bob until 9s; linked | linked_failed     |           |
| H1: hold 5 of bob until 9s; linked | linked_failed     |           |
| 2: Dr bob 11, Cr cash 11           | exceeds_available |           |
| H1: hold 5 of bob until 9s         | posted            | 10 held 5 |
| H1: release; linked                | linked_failed     |           |
| H1: release; linked                | linked_failed     |           |
| 2: Dr bob 11, Cr cash 11           | exceeds_available |           |

### An entry is reversed once, in full
cash EUR debit, no floor
alice EUR credit, overdraft 100
bob EUR credit, overdraft 100

| request                                 | code             | cash | alice | bob |
|-----------------------------------------|------------------|------|-------|-----|
| 1: Dr cash 50, Cr alice 50              | posted           |   50 |    50 |   0 |
| 2: Dr alice 50, Cr cash 50; reverses #2 | entry_not_found  |      |       |     |
| 2: Dr alice 51, Cr cash 51; reverses #1 | exceeds_original |      |       |     |
| 2: Dr cash 50, Cr alice 50; reverses #1 | exceeds_original |      |       |     |
| 2: Dr bob 50, Cr cash 50; reverses #1   | exceeds_original |      |       |     |
| 2: Dr alice 50, Cr cash 50; reverses #1 | posted           |    0 |     0 |     |
| 2: Dr alice 50, Cr cash 50; reverses #1 | exists           |      |       |     |
| 3: Dr alice 50, Cr cash 50; reverses #1 | exceeds_original |      |       |     |
| 3: Dr alice 1, Cr cash 1; reverses #1   | exceeds_original |      |       |     |
| 3: Dr cash 50, Cr alice 50; reverses #2 | entry_not_found  |      |       |     |

### An entry is reversed in parts until nothing is left
cash EUR debit, no floor
alice EUR credit, overdraft 100
fees EUR credit, overdraft 100

| request                                              | code             | cash | alice | fees |
|------------------------------------------------------|------------------|------|-------|------|
| 1: Dr cash 100, Cr alice 90, Cr fees 10              | posted           |  100 |    90 |   10 |
| 2: Dr alice 60, Cr cash 60; reverses #1              | posted           |   40 |    30 |      |
| 3: Dr alice 31, Cr cash 31; reverses #1              | exceeds_original |      |       |      |
| 3: Dr alice 20, Dr fees 11, Cr cash 31; reverses #1  | exceeds_original |      |       |      |
| 3: Dr fees 10, Cr cash 10; reverses #1               | posted           |   30 |       |    0 |
| 4: Dr alice 10, Dr alice 20, Cr cash 30; reverses #1 | posted           |    0 |     0 |      |
| 5: Dr alice 1, Cr cash 1; reverses #1                | exceeds_original |      |       |      |

### A reversal is refused like any entry, and a refused one takes nothing back
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                                         | code              | cash | alice | bob |
|-------------------------------------------------|-------------------|------|-------|-----|
| 1: Dr cash 50, Cr alice 50                      | posted            |   50 |    50 |   0 |
| 2: Dr alice 40, Cr bob 40                       | posted            |      |    10 |  40 |
| 3: Dr alice 50, Cr cash 50; reverses #1         | exceeds_available |      |       |     |
| 3: Dr alice 10, Cr cash 10; reverses #1; linked | linked_failed     |      |       |     |
| 4: Dr alice 1, Cr cash 1; reverses #1           | exceeds_available |      |       |     |
| 3: Dr alice 10, Cr cash 10; reverses #1         | posted            |   40 |     0 |     |
| 4: Dr bob 40, Cr alice 40; reverses #2; linked  | posted            |      |    40 |   0 |
| 5: Dr alice 40, Cr cash 40; reverses #1         | posted            |    0 |     0 |     |

### The books are closed up to a day; what counts for an earlier one is refused
cash EUR debit, no floor
alice EUR credit

| request                                                       | code             | cash | alice |
|---------------------------------------------------------------|------------------|------|-------|
| 1: Dr cash 10, Cr alice 10; effective 2026-02-27              | posted           |   10 |    10 |
| close before 2026-03-01                                       | closed           |      |       |
| 2: Dr cash 10, Cr alice 10; effective 2026-02-28              | period_closed    |      |       |
| 2: Dr cash 10, Cr alice 10; effective 2026-03-01              | posted           |   20 |    20 |
| 3: Dr alice 10, Cr cash 10; reverses #1; effective 2026-02-27 | period_closed    |      |       |
| 3: Dr alice 10, Cr cash 10; reverses #1                       | posted           |   10 |    10 |
| 4: Dr cash 1, Cr alice 1; effective 2030-01-01                | posted           |   11 |    11 |
| close before 2026-03-01                                       | not_after_last   |      |       |
| close before 2026-03-03                                       | not_over_yet     |      |       |
| reopen                                                        | reopened         |      |       |
| 5: Dr cash 10, Cr alice 10; effective 2026-02-28              | posted           |   21 |    21 |
| reopen                                                        | period_not_found |      |       |

### What is archived is taken back no more; its keys are answered for ever
cash EUR debit, no floor
alice EUR credit

| request                                  | code                       | cash | alice |
|------------------------------------------|----------------------------|------|-------|
| 1: Dr cash 10, Cr alice 10               | posted                     |   10 |    10 |
| 2: Dr cash 20, Cr alice 20               | posted                     |   30 |    30 |
| archive                                  | up to #0                   |      |       |
| 3: Dr alice 1, Cr cash 1; reverses #1    | posted                     |   29 |    29 |
| wait 86400s                              | waited                     |      |       |
| close before 2026-03-03                  | closed                     |      |       |
| 4: Dr cash 5, Cr alice 5                 | posted                     |   34 |    34 |
| archive                                  | up to #3                   |      |       |
| 5: Dr alice 1, Cr cash 1; reverses #1    | entry_archived             |      |       |
| 5: Dr cash 1, Cr alice 1; reverses #3    | entry_archived             |      |       |
| 5: Dr alice 99, Cr cash 99; reverses #2  | entry_archived             |      |       |
| 5: Dr alice 99, Cr cash 99; reverses #9  | entry_not_found            |      |       |
| 1: Dr cash 10, Cr alice 10               | exists                     |      |       |
| 1: Dr cash 11, Cr alice 11               | exists_with_different_body |      |       |
| 5: Dr alice 5, Cr cash 5; reverses #4    | posted                     |   29 |    29 |
| reopen                                   | archived                   |      |       |

### A striped account is any other but for holds: what its stripes have together can be spent
cash EUR debit, no floor
busy EUR credit, 3 stripes
alice EUR credit

| request                                      | code              | cash | busy | alice |
|----------------------------------------------|-------------------|------|------|-------|
| 1: Dr cash 10, Cr busy 10                    | posted            |   10 |   10 |     0 |
| 2: Dr cash 20, Cr busy 20                    | posted            |   30 |   30 |       |
| 3: Dr cash 30, Cr busy 30                    | posted            |   60 |   60 |       |
| 4: Dr busy 61, Cr alice 61                   | exceeds_available |      |      |       |
| 4: Dr busy 55, Cr alice 55                   | posted            |      |    5 |    55 |
| 4: Dr busy 55, Cr alice 55                   | exists            |      |      |       |
| 4: Dr busy 54, Cr alice 54                   | exists_with_different_body | | |          |
| H1: hold 1 of busy until 60s                 | account_striped   |      |      |       |
| 5: Dr alice 50, Cr busy 50; reverses #4      | posted            |      |   55 |     5 |
| 6: Dr alice 5, Dr busy 55, Cr cash 60; linked | posted           |    0 |    0 |     0 |
| 7: Dr cash 9, Cr busy 4, Cr busy 5           | posted            |    9 |    9 |       |
| busy: floor -5                               | account_striped   |      |      |       |
| busy: overdraft 5                            | account_striped   |      |      |       |
| busy: ceiling 900                            | account_striped   |      |      |       |
| busy: closed                                 | account_not_empty |      |      |       |
| busy: frozen                                 | changed           |      |      |       |
| 8: Dr cash 1, Cr busy 1                      | account_frozen    |      |      |       |
| busy: open                                   | changed           |      |      |       |
| busy: no floor                               | changed           |      |      |       |
| 8: Dr busy 99, Cr cash 99                    | posted            |  -90 |  -90 |       |
| 9: Dr cash 91, Cr busy 91                    | posted            |    1 |    1 |       |
| busy: floor 0                                | below_floor       |      |      |       |

### The smallest amount is an amount
cash EUR debit, no floor
alice EUR credit
bob EUR credit

| request                               | code             | cash |    alice | bob |
|---------------------------------------|------------------|------|----------|-----|
| 1: Dr cash 1, Cr alice 1              | posted           |    1 |        1 |   0 |
| 2: Dr bob 1, Cr cash 1; reverses #1   | exceeds_original |      |          |     |
| 2: Dr alice 1, Cr bob 1; reverses #1  | exceeds_original |      |          |     |
| H1: hold 1 of alice until 60s         | posted           |      | 1 held 1 |     |
| 2: Dr alice 1, Cr bob 1; captures H1  | posted           |      |        0 |   1 |
| 3: Dr bob 1, Cr alice 1; reverses #2  | posted           |      |        1 |   0 |
| 4: Dr alice 1, Cr cash 1; reverses #1 | posted           |    0 |        0 |     |

### Money is held on a debit account too, and into an overdraft line
till EUR debit
alice EUR credit, overdraft 50
bob EUR credit

| request                                | code              |      till |     alice | bob |
|----------------------------------------|-------------------|-----------|-----------|-----|
| 1: Dr till 10, Cr bob 10               | posted            |        10 |         0 |  10 |
| H1: hold 4 of till until 60s           | posted            | 10 held 4 |           |     |
| 2: Dr bob 1, Cr alice 1; captures H1   | hold_mismatch     |           |           |     |
| 2: Dr bob 4, Cr till 4; captures H1    | posted            |         6 |           |   6 |
| H2: hold 51 of alice until 60s         | exceeds_available |           |           |     |
| H2: hold 50 of alice until 60s         | posted            |           | 0 held 50 |     |
| 3: Dr alice 1, Cr bob 1                | exceeds_available |           |           |     |
| 3: Dr alice 50, Cr bob 50; captures H2 | posted            |           |       -50 |  56 |
"""
