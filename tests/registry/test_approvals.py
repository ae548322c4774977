import pytest

from lakehouse.ledger import changes
from registry.actors import Actor
from registry.approvals import decline_request, pending_requests, request_promotion
from registry.changes import plan_finish, plan_promotion
from registry.errors import NotAllowed, RegistryError
from registry.plans import ChangePlan
from tests.registry.broken_off import broken_off
from tests.registry.echo_production import ANN, BOB, EchoProduction

OLA = Actor("ola@example.org", "operator")


@pytest.fixture
def production(production: EchoProduction) -> EchoProduction:
    """A production that takes two people."""
    return EchoProduction(production.settings.model_copy(update={"four_eyes": True}), production.client)


def asked(production: EchoProduction, actor: Actor = OLA, version: str = "3") -> str:
    return request_promotion(production.settings, production.client, version, actor, "it says when it does not know")


def planned(production: EchoProduction, of_change: str = "", version: str = "3") -> ChangePlan:
    return plan_promotion(production.settings, production.client, version, of_change=of_change)


def waiting(production: EchoProduction) -> list[str]:
    mine = [one for one in pending_requests(production.settings) if one.endpoint == production.settings.endpoint]
    return [one.change_id for one in mine]


def test_what_one_asks_for_another_approves_and_both_stand_in_the_ledger(production: EchoProduction) -> None:
    request = asked(production)
    (pending,) = [one for one in pending_requests(production.settings) if one.change_id == request]
    assert (pending.source_version, pending.actor) == ("3", OLA.name)
    assert pending.reason == "it says when it does not know"
    production.do(planned(production, request))
    assert production.traffic["3"] == 100
    assert waiting(production) == []
    ledger = {one.action: one for one in changes(production.settings, 10_000, target=production.settings.endpoint)}
    assert (ledger["promote"].actor, ledger["promote"].evidence["requested_by"]) == ("ann", OLA.name)
    assert (ledger["request_promotion"].actor, ledger["request_promotion"].outcome) == (OLA.name, "approved")


def test_nobody_promotes_alone_where_two_are_needed(production: EchoProduction) -> None:
    with pytest.raises(NotAllowed, match="takes two people"):
        production.do(planned(production))
    own = asked(production, Actor("Ann", "approver"))
    with pytest.raises(NotAllowed, match="somebody else must approve"):
        production.do(planned(production, own))
    assert production.copies == ["2", "1"]


def test_an_approval_is_for_what_was_asked_and_only_once(production: EchoProduction) -> None:
    request = asked(production)
    with pytest.raises(RegistryError, match=r"is for version 3 on .*, not for version 4"):
        production.do(planned(production, request, "4"))
    with pytest.raises(RegistryError, match="has asked for version 3 already"):
        asked(production, BOB)
    production.do(planned(production, request))
    with pytest.raises(RegistryError, match="waits no more: it is approved"):
        production.do(planned(production, request))


def test_a_request_can_be_declined_by_who_may_promote_and_withdrawn_by_who_asked(production: EchoProduction) -> None:
    request = asked(production)
    with pytest.raises(NotAllowed):
        decline_request(production.settings, request, Actor("eve", "operator"), "I do not like it")
    decline_request(production.settings, request, ANN, "not before the weekend")
    assert waiting(production) == []
    decline_request(production.settings, asked(production), OLA, "a better one is coming")
    found = changes(production.settings, 10_000, target=production.settings.endpoint)
    assert [one.outcome for one in found] == ["withdrawn", "declined"]
    with pytest.raises(RegistryError, match="it is declined"):
        production.do(planned(production, request))


def test_who_may_only_look_asks_for_nothing(production: EchoProduction) -> None:
    with pytest.raises(NotAllowed, match="takes the role operator"):
        asked(production, Actor("eve", "viewer"))
    assert waiting(production) == []


def test_a_promotion_that_had_to_be_finished_fulfils_its_request(
    production: EchoProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(monkeypatch, production, planned(production, asked(production)), "copy")
    ledger = changes(production.settings, 10_000, target=production.settings.endpoint)
    (promotion,) = [one for one in ledger if one.action == "promote"]
    production.do(plan_finish(production.settings, production.client, promotion.change_id), BOB)
    assert waiting(production) == []
