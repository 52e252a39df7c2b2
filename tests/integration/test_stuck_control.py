"""The control plane may be slow, stuck or full: guests notice nothing."""

import socket
import sqlite3
import threading

import pytest

import samples
import wire

ID = "/latest/meta-data/instance-id"
CONNECTIONS = 256  # CONTROL_CONNECTIONS


@pytest.fixture
def service(workshop):
    return workshop.daemon({"instances": [samples.plain("web-1", "127.0.0.11")]})


def test_a_change_that_waits_for_the_store(service):
    """Another program holds the database while a change is asked for: guests are answered all the time."""
    holder = sqlite3.connect(service.database, isolation_level=None, timeout=10)
    holder.execute("BEGIN IMMEDIATE")
    done = {}

    def change():
        done["result"] = service.cli("options", "web-1", "--http-tokens", "required")

    changing = threading.Thread(target=change)
    with service.client("127.0.0.11").connect() as guest:
        changing.start()
        answered = 0
        while changing.is_alive():
            assert guest.get(ID).status == 200
            answered += 1
        changing.join()
        # The change has waited for half a second, and said in the end who is in the way.
        done["result"].refused("another program is using it")
        assert answered > 50
        holder.rollback()
        holder.close()
        service.cli("options", "web-1", "--http-tokens", "required").ok()
        assert guest.get(ID).status == 401


def test_a_control_address_that_is_full(service):
    """Every connection that the address takes is held open by somebody who says nothing."""
    held = [socket.create_connection(("127.0.0.1", service.control_port)) for _ in range(CONNECTIONS + 20)]
    try:
        wire.wait_until(lambda: not service.is_ready(), "the address to be full")
        with service.client("127.0.0.11").connect() as guest:
            for _ in range(100):
                assert guest.get(ID).status == 200
        # Nor is the operator locked out.
        service.cli("options", "web-1", "--http-put-response-hop-limit", "2").ok()
        assert service.client("127.0.0.11").get(ID).status == 200
    finally:
        for one in held:
            one.close()
    wire.wait_until(service.is_ready, "room again")
