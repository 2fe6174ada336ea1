"""The declarative base: one naming convention, and how Python types become columns."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import Enum, MetaData
from sqlalchemy.orm import DeclarativeBase

from blocks.ledger import types


def _enum(states: type[StrEnum]) -> Enum:
    return Enum(
        states,
        native_enum=False,
        length=16,
        create_constraint=False,
        validate_strings=True,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """Base of every table of the ledger."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: types.UtcDateTime(),
        **{
            states: _enum(states)
            for states in (
                types.OrderState,
                types.ServiceState,
                types.InboxState,
                types.PaymentState,
                types.NoticeState,
                types.ObligationState,
                types.WindowState,
                types.WorkState,
                types.ProbeState,
                types.TicketState,
                types.CompensationState,
                types.ActState,
                types.LogBatchState,
                types.LogGrantState,
                types.PurgeState,
                types.CaOrderState,
                types.CertificateState,
            )
        },
    }
