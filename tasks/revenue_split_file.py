"""`split.json`: what a month's act added, for the acts that come after it where no ledger holds it."""

from __future__ import annotations

from blocks.terms.base import Frozen
from blocks.terms.revenue import Month, SplitRow, Total
from blocks.terms.revenue_views import MonthShare, ServiceIncome
from tasks.revenue_draft import Draft


class SplitFile(Frozen):
    """Totals and rows of an act, and the month's income by service and share, for later pictures."""

    month: Month
    number: str
    totals: tuple[Total, ...]
    rows: tuple[SplitRow, ...]
    services: tuple[ServiceIncome, ...]
    share: MonthShare

    @classmethod
    def of(cls, drafted: Draft) -> SplitFile:
        """What a draft would add."""
        own = [row for row in drafted.rows if row.month_of == drafted.month]
        return cls(
            month=drafted.month,
            number=drafted.act.number,
            totals=drafted.totals,
            rows=drafted.rows,
            services=tuple(one for one in drafted.picture.services if one.month == drafted.month),
            share=MonthShare(
                month=drafted.month,
                income_minor=sum(row.income_minor for row in own),
                fee_minor=sum(row.fee_minor for row in own),
                reward_minor=sum(row.reward_minor for row in own),
            ),
        )
