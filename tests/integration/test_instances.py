"""Many instances at once: each caller is itself and sees only itself."""

import concurrent.futures

import pytest

import samples
import wire
from wire import assert_404, assert_empty

ID = "/latest/meta-data/instance-id"
HOME = "/latest/meta-data/tags/instance/Name"


def tagged(name, address, **facts):
    facts.setdefault("metadataOptions", samples.options(instanceMetadataTags="enabled"))
    return samples.plain(name, address, tags={"Name": name}, **facts)


@pytest.fixture(scope="module")
def service(module_workshop):
    return module_workshop.daemon(
        {
            "instances": [
                tagged("eleven", "127.0.0.11"),
                tagged("twelve", "127.0.0.12"),
                tagged("two-addresses", ["127.0.0.21", "127.0.0.22"]),
                tagged("network", "127.5.0.0/16"),
                tagged("subnetwork", "127.5.5.0/24"),
                tagged("one-of-it", "127.5.5.5"),
                tagged("al2023", "127.0.0.31", blueprintId="amazon_linux_2023", metadataOptions={}),
                tagged(
                    "al2023-optional",
                    "127.0.0.32",
                    blueprintId="amazon_linux_2023",
                    metadataOptions={"httpTokens": "optional"},
                ),
                samples.plain("debian", "127.0.0.33"),
            ]
        }
    )


@pytest.mark.parametrize(
    "source,name",
    [
        ("127.0.0.11", "eleven"),
        ("127.0.0.12", "twelve"),
        ("127.0.0.21", "two-addresses"),
        ("127.0.0.22", "two-addresses"),
        ("127.5.0.1", "network"),
        ("127.5.255.254", "network"),
        ("127.5.5.1", "subnetwork"),
        ("127.5.5.255", "subnetwork"),
        ("127.5.5.5", "one-of-it"),
    ],
)
def test_a_caller_is_recognised_by_its_address_the_longest_match_wins(service, source, name):
    assert service.client(source).text(HOME) == name


@pytest.mark.parametrize(
    "source", ["127.0.0.1", "127.0.0.10", "127.0.0.13", "127.4.255.255", "127.6.0.0"]
)
def test_unknown_callers_get_the_404_page_and_are_counted(service, source):
    caller = service.client(source)
    before = service.metrics().sum("telltale_unknown_callers_total")
    for data in (
        wire.request("GET", "/"),
        wire.request("GET", ID),
        wire.token_request(60),
        wire.request("GET", ID, "A" * 54 + "=="),
        wire.request("POST", "/"),
    ):
        assert_404(caller.raw(data))
    service.wait_metric(
        lambda m: m.sum("telltale_unknown_callers_total") == before + 5, "unknown callers counted"
    )


def test_every_instance_is_another(service):
    sources = ["127.0.0.11", "127.0.0.12", "127.0.0.21", "127.5.0.1", "127.5.5.1", "127.5.5.5"]
    for leaf in ("instance-id", "mac", "local-ipv4", "reservation-id"):
        seen = {service.client(s).text(f"/latest/meta-data/{leaf}") for s in sources}
        assert len(seen) == len(sources), leaf
    assert service.client("127.0.0.21").text(ID) == service.client("127.0.0.22").text(ID)


def test_a_token_is_good_for_its_instance_from_any_of_its_addresses_and_no_other(service):
    token = service.client("127.0.0.21").put_token()
    assert service.client("127.0.0.22").get(ID, token).status == 200
    for other in ("127.0.0.11", "127.0.0.12", "127.5.0.1", "127.5.5.5"):
        assert_empty(service.client(other).get(ID, token), "401 Unauthorized")


def test_overlapping_instances_do_not_share_tokens(service):
    inner, outer = service.client("127.5.5.5"), service.client("127.5.5.1")
    assert_empty(outer.get(ID, inner.put_token()), "401 Unauthorized")
    assert_empty(inner.get(ID, outer.put_token()), "401 Unauthorized")


def test_amazon_linux_2023_requires_tokens_unless_told_otherwise(service):
    assert_empty(service.client("127.0.0.31").get(ID), "401 Unauthorized")
    assert (
        service.client("127.0.0.31").get(ID, service.client("127.0.0.31").put_token()).status == 200
    )
    assert service.client("127.0.0.32").get(ID).status == 200
    assert service.client("127.0.0.33").get(ID).status == 200


def test_interleaved_callers_never_see_each_other(service):
    names = {"127.0.0.11": "eleven", "127.0.0.12": "twelve", "127.5.0.9": "network"}
    conns = {source: service.client(source).connect() for source in names}
    for _ in range(100):
        for conn in conns.values():
            conn.send(wire.request("GET", HOME))
        for source, conn in conns.items():
            assert conn.read_reply().text == names[source]
    for conn in conns.values():
        conn.close()


def test_many_callers_at_once_each_see_themselves(workshop):
    count = 200
    service = workshop.daemon(
        {"instances": [tagged(f"vm-{n}", f"127.7.0.{n}") for n in range(1, count + 1)]}
    )

    def work(n):
        caller = service.client(f"127.7.0.{n}")
        with caller.connect() as conn:
            token = conn.put_token()
            for _ in range(5):
                assert conn.get(HOME, token).text == f"vm-{n}"
        return token

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        tokens = list(pool.map(work, range(1, count + 1)))
    assert len(set(tokens)) == count
    assert service.metrics().sum("telltale_instances") == count


def test_instances_come_from_a_file_and_from_a_folder(workshop):
    import yaml

    service = workshop.daemon({"instances": "more"}, start=False)
    folder = service.directory / "more"
    folder.mkdir()
    (folder / "a.yaml").write_text(yaml.safe_dump(tagged("alpha", "127.0.0.41")))
    (folder / "b.yaml").write_text(
        yaml.safe_dump([tagged("beta", "127.0.0.42"), tagged("gamma", "127.0.0.43")])
    )
    service.start()
    for source, name in (("127.0.0.41", "alpha"), ("127.0.0.42", "beta"), ("127.0.0.43", "gamma")):
        assert service.client(source).text(HOME) == name
    service.stop()
    (service.directory / "one.yaml").write_text(yaml.safe_dump(tagged("delta", "127.0.0.44")))
    service.start("serve", "-c", str(service.config_path), "--instances",
                  str(service.directory / "one.yaml"))  # fmt: skip
    assert service.client("127.0.0.44").text(HOME) == "delta"


def test_json_is_a_configuration_too(workshop):
    import json

    service = workshop.daemon(None, start=False)
    service.write_config_text(
        json.dumps(service.full_config({"instances": [tagged("json", "127.0.0.11")]}))
    )
    service.start()
    assert service.client().text(HOME) == "json"
