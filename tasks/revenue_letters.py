"""Letters about acts that did not arrive: they go out again, or what they fulfil would be owed for ever."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from blocks.ledger import Notice, NoticeState, transaction
from blocks.office import Office

_LOST = (NoticeState.BOUNCED, NoticeState.FAILED)
_KINDS = ("ocp_data", "ocp_act")


def send_again(office: Office, *, now: datetime) -> list[str]:
    """Queue again the last data and the documents of acts whose letter was lost, to the Operator's address of now.

    The references of their acts. Data that was given anew since is not sent again.
    """
    latest = select(func.max(Notice.id)).where(Notice.kind.in_(_KINDS)).group_by(Notice.kind, Notice.about)
    lost = select(Notice).where(Notice.id.in_(latest), Notice.state.in_(_LOST)).order_by(Notice.id)
    with transaction(office.sessions) as session:
        letters = session.scalars(lost.with_for_update()).all()
        for letter in letters:
            letter.state, letter.attempts, letter.next_try_at = NoticeState.QUEUED, 0, now
            letter.sent_at = letter.settled_at = None
            letter.recipient = office.settings.ocp_operator_email
        return [letter.about or "" for letter in letters]
