from tests.serving.gateway_process import GatewayProcess
from tests.serving.kill_under_load import assert_nothing_lost_and_nothing_twice, kill_again_and_again


def test_a_gateway_killed_under_load_loses_no_acknowledged_request_and_doubles_none(tmp_path):
    gateway = GatewayProcess(tmp_path)
    gateway.serve("chatbot", 1)
    askers = kill_again_and_again(gateway, "chatbot", kills=2, seed=1)
    assert len(askers.acknowledged) > 20
    assert_nothing_lost_and_nothing_twice(gateway, askers.acknowledged)
