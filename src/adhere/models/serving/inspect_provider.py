"""Inspect's provider `adhere`, registered without loading what runs models: that happens when a model is first named.

Inspect imports the registrations of every installed package before any evaluation, also of tasks that have nothing to
do with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspect_ai.model import ModelAPI, modelapi

from adhere.core.extras import naming_extras

if TYPE_CHECKING:
    from inspect_ai.model import Model


@modelapi(name="adhere")
def adhere() -> type[ModelAPI]:
    """The provider's class.

    Raises:
        MissingExtra: what runs models is not installed.
    """
    with naming_extras():
        from adhere.models.serving.provider import AdhereAPI
    return AdhereAPI


def prepare(model: Model) -> None:
    """Open a model of this provider now rather than at the first request: a wrong name is an error at the start.

    Raises:
        UserError: there is no such model.
    """
    if is_ours(model):
        model.api.prepare()  # type: ignore[attr-defined]


def is_ours(model: Model) -> bool:
    """Whether the model runs on this machine, in this provider."""
    return str(model).startswith("adhere/")
