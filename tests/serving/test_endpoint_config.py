import dataclasses
import json

import pytest

from serving.endpoint_config import (
    ConfigChange,
    EndpointConfig,
    EndpointRecord,
    EndpointStore,
    PendingUpdate,
    ServedEntity,
    read_config,
    read_endpoint_name,
)
from serving.errors import CannotServe, RequestRejected


def _body(*entities, routes=None):
    return {"served_entities": list(entities), "traffic_config": None if routes is None else {"routes": routes}}


def _entity(version="1", **more):
    return {"entity_name": "prod.chatbot", "entity_version": version, **more}


def _route(name, percentage):
    return {"served_model_name": name, "traffic_percentage": percentage}


def test_a_single_served_entity_gets_its_name_and_all_traffic_by_itself():
    config = read_config(_body(_entity("7")), "chatbot", 3, 1_000)
    assert config == EndpointConfig(3, (ServedEntity("chatbot-7", "prod.chatbot", "7", 100, 1_000),))
    assert config.entities[0].model_uri == "models:/prod.chatbot/7"


def test_a_served_entity_without_a_route_gets_no_traffic():
    body = _body(_entity("1"), _entity("2"), routes=[_route("chatbot-2", 100)])
    assert read_config(body, "chatbot", 1, 0).traffic == {"chatbot-1": 0, "chatbot-2": 100}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, "must be a JSON object"),
        ({"served_entities": []}, "at least one"),
        (_body("chatbot"), "must be a JSON object"),
        (_body(_entity("latest")), "must be a number"),
        (_body(_entity("1/../2")), "must be a number"),
        (_body({"entity_version": "1"}), "name of a registered model"),
        (_body({"entity_name": "../secret", "entity_version": "1"}), "name of a registered model"),
        (_body({"entity_name": "half \ud800", "entity_version": "1"}), "name of a registered model"),
        (_body(_entity(name="../x")), "letters, digits"),
        (_body(_entity(), _entity()), "same name"),
        (_body(_entity("1"), _entity("2")), "how the traffic is split"),
        (_body(_entity(), routes=[_route("other", 100)]), "must name one served entity"),
        (_body(_entity(), routes=[_route("chatbot-1", 50), _route("chatbot-1", 50)]), "only once"),
        (_body(_entity(), routes=[_route("chatbot-1", 99)]), "sum to 99"),
        (_body(_entity(), routes=[_route("chatbot-1", 99.5)]), "whole number"),
        (_body(_entity(), routes=[_route("chatbot-1", True)]), "whole number"),
        (_body(_entity(), routes=[_route("chatbot-1", 101)]), "whole number"),
        (_body(*[_entity(str(number)) for number in range(1, 17)]), "at most 15"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(body, sentence):
    with pytest.raises(RequestRejected, match=sentence) as refused:
        read_config(body, "chatbot", 1, 0)
    assert refused.value.status_code == 400


@pytest.mark.parametrize("name", [None, "", "a b", "-a", "a/b", "x" * 64, "ä", "a\n"])
def test_a_name_that_could_be_mistaken_for_a_path_is_refused(name):
    with pytest.raises(RequestRejected):
        read_endpoint_name(name)


def test_the_store_gives_back_what_was_kept(tmp_path):
    first, second = (ServedEntity(f"chatbot-{n}", "prod.chatbot", str(n), 100, n) for n in (1, 2))
    record = EndpointRecord(
        name="chatbot",
        endpoint_id="abc",
        created_ms=1,
        updated_ms=2,
        inference_table=False,
        tags={"team": "a"},
        active=EndpointConfig(2, (second,)),
        warm=first,
        pending=PendingUpdate(EndpointConfig(3, (first,)), 6, "UPDATE_FAILED", {"chatbot-1": "It cannot be loaded."}),
    )
    unserved = EndpointRecord("other", "def", 3, 4, first=EndpointConfig(1, (first,)))
    change = ConfigChange("abc", "chatbot", 2, 5, ({"served_entity_id": "x", "name": "chatbot-2"},))
    store = EndpointStore(tmp_path / "gateway" / "endpoints.json")
    store.records = {"chatbot": record, "other": unserved}
    store.unrecorded = [change]
    store.save()
    again = EndpointStore(tmp_path / "gateway" / "endpoints.json")
    assert again.records == store.records
    assert again.unrecorded == [change]
    again.forget([change])
    assert EndpointStore(tmp_path / "gateway" / "endpoints.json").unrecorded == []


def test_a_workspace_of_before_had_no_pending_update(tmp_path):
    store = EndpointStore(tmp_path / "endpoints.json")
    store.records = {"chatbot": EndpointRecord("chatbot", "abc", 0, 0)}
    store.save()
    kept = json.loads((tmp_path / "endpoints.json").read_text())
    del kept["endpoints"][0]["pending"]
    (tmp_path / "endpoints.json").write_text(json.dumps(kept))
    assert EndpointStore(tmp_path / "endpoints.json").records == store.records


@pytest.mark.parametrize(
    "kept",
    [b"", b'{"endpoints": [', b"[]", b"null", b'{"endpoints": [{"name": "chatbot"}]}', b'{"endpoints": [1]}', b"\xff"],
)
def test_a_damaged_file_is_said_with_what_to_do_and_stays_as_it_is(tmp_path, kept):
    file = tmp_path / "endpoints.json"
    file.write_bytes(kept)
    with pytest.raises(CannotServe, match=r"endpoints.json is damaged \(\w+\), so .* put back a copy of it"):
        EndpointStore(file)
    assert file.read_bytes() == kept


def test_a_version_keeps_its_served_entity_id_and_no_other_gets_it():
    record = EndpointRecord("chatbot", "abc", 0, 0)
    entity = ServedEntity("chatbot-1", "prod.chatbot", "1", 100, 0)
    same = dataclasses.replace(entity, traffic=5, created_ms=9)
    others = [
        dataclasses.replace(entity, name="chatbot-x"),
        dataclasses.replace(entity, entity_name="prod.other"),
        dataclasses.replace(entity, entity_version="2"),
    ]
    assert record.served_entity_id(same) == record.served_entity_id(entity)
    assert record.served_entity_id(entity) not in {record.served_entity_id(other) for other in others}
    assert EndpointRecord("chatbot", "def", 0, 0).served_entity_id(entity) != record.served_entity_id(entity)
