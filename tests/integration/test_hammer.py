"""Two sides at once: callers hammer open connections while an operator, by AWS's tools, changes options.

What the operator was told holds: once options are `applied`, no request that begins is answered the old
way. And no request is lost on the way: each gets a whole answer, on a connection that stays open.
"""

import pytest

import aws
import samples
import wire
from hammer import Hammer, Timeline, judge

ID = "/latest/meta-data/instance-id"

TOKENS = {"optional": 200, "required": 401}
ENDPOINT = {"enabled": 200, "disabled": 403}
ALWAYS = {"optional": 200, "required": 200}


@pytest.fixture
def service(workshop):
    instances = [samples.plain("web-1", "127.0.0.11"), samples.plain("web-2", "127.0.0.12")]
    made = workshop.daemon({"instances": instances, "workers": 2}, start=False)
    aws.credentials(made, [{"accessKeyId": aws.KEY, "secretAccessKey": aws.SECRET, "allow": ["*"]}])
    return made.start()


@pytest.fixture
def hammers():
    made = []
    yield made
    for hammer in made:
        hammer.close()


def rounds(hammers, timeline, operator, changes):
    """Let every connection be asked in every state. operator(state) returns when it may rely on it."""
    for state in changes:
        for hammer in hammers:
            hammer.wait_turn()
        timeline.change(state, lambda: operator(state))
    for hammer in hammers:
        hammer.wait_turn()


# --- how an operator changes options, and what tells that they are in force ------------------------


class Lightsail:
    """The SDK. told_by: the instance, whose options are `applied`, or the operation, which has Succeeded."""

    def __init__(self, service, told_by, option="httpTokens"):
        self.client = aws.Client(service, "lightsail").client
        self.told = getattr(self, f"told_by_{told_by}")
        self.option = option

    def __call__(self, state):
        change = {"instanceName": "web-1", self.option: state}
        operation = self.client.update_instance_metadata_options(**change)["operation"]
        wire.wait_until(lambda: self.told(operation["id"], state), "the change to be told", pause=0)

    def told_by_instance(self, operation, state):
        options = self.client.get_instance(instanceName="web-1")["instance"]["metadataOptions"]
        return options["state"] == "applied" and options[self.option] == state

    def told_by_operation(self, operation, state):
        return self.client.get_operation(operationId=operation)["operation"]["status"] == "Succeeded"


class Ec2:
    def __init__(self, service):
        self.client = aws.Client(service, "ec2").client
        self.id = service.client("127.0.0.11").text(ID)

    def __call__(self, state):
        self.client.modify_instance_metadata_options(InstanceId=self.id, HttpTokens=state)
        wire.wait_until(lambda: self.told(state), "the change to be told", pause=0)

    def told(self, state):
        answer = self.client.describe_instances(InstanceIds=[self.id])
        options = answer["Reservations"][0]["Instances"][0]["MetadataOptions"]
        return options["State"] == "applied" and options["HttpTokens"] == state


class Cli:
    """The stock command, of Debian."""

    def __init__(self, service):
        self.service = service

    def __call__(self, state):
        update = "update-instance-metadata-options"
        operation = self.run(update, "--instance-name", "web-1", "--http-tokens", state)["operation"]
        wire.wait_until(lambda: self.told(operation["id"]), "the change to be told")

    def told(self, operation):
        told = self.run("get-operation", "--operation-id", operation)["operation"]
        assert told["isTerminal"] == (told["status"] == "Succeeded"), told
        return told["isTerminal"]

    def run(self, *args):
        return aws.run_cli(self.service, "lightsail", *args)


# --- tokens ----------------------------------------------------------------------------------------


def check_tokens(service, hammers, operator, changes):
    """Two callers without a token, one with, and one of another instance, which nothing concerns."""
    caller, other = service.client("127.0.0.11"), service.client("127.0.0.12")
    token = caller.put_token()
    hammers += [Hammer(caller, ID), Hammer(caller, ID), Hammer(caller, ID, token), Hammer(other, ID)]
    timeline = Timeline("optional")
    rounds(hammers, timeline, operator, changes)
    for hammer, statuses in zip(hammers, (TOKENS, TOKENS, ALWAYS, ALWAYS)):
        judge(hammer.stop(), timeline, statuses)


@pytest.mark.parametrize("told_by", ["instance", "operation"])
def test_lightsail_requires_tokens(service, hammers, told_by):
    check_tokens(service, hammers, Lightsail(service, told_by), ["required", "optional"] * 5)


def test_ec2_requires_tokens(service, hammers):
    check_tokens(service, hammers, Ec2(service), ["required", "optional"] * 5)


@aws.needs_cli
def test_the_aws_cli_requires_tokens(service, hammers):
    """One caller only: with more the command gets hardly any time of a machine with two processors."""
    hammers.append(Hammer(service.client("127.0.0.11"), ID))
    timeline = Timeline("optional")
    rounds(hammers, timeline, Cli(service), ["required"])
    judge(hammers[0].stop(), timeline, TOKENS)


def test_lightsail_disables_the_endpoint(service, hammers):
    """With a token or without: there is nothing to be had."""
    caller = service.client("127.0.0.11")
    hammers += [Hammer(caller, ID), Hammer(caller, ID, caller.put_token())]
    timeline = Timeline("enabled")
    operator = Lightsail(service, "instance", option="httpEndpoint")
    rounds(hammers, timeline, operator, ["disabled", "enabled"] * 5)
    for hammer in hammers:
        judge(hammer.stop(), timeline, ENDPOINT)


# --- the judge itself ------------------------------------------------------------------------------


def test_a_lost_connection_is_told(service, hammers):
    hammers.append(Hammer(service.client("127.0.0.11"), ID))
    hammers[0].wait_turn()
    service.kill9()
    with pytest.raises(AssertionError, match=r"after \d+ requests: "):
        hammers[0].stop()


def test_the_judge_is_strict():
    timeline = Timeline("optional")
    timeline.changes += [(10.0, 12.0, "required"), (20.0, 22.0, "optional")]
    fine = [(1.0, 2.0, 200), (9.0, 10.5, 401), (13.0, 14.0, 401), (21.0, 21.5, 401), (22.5, 23.0, 200)]
    judge([fine], timeline, TOKENS)
    for i, wrong in (
        (0, (1.0, 2.0, 401)),  # before anybody required anything
        (2, (12.5, 14.0, 200)),  # begun after it was told
        (4, (22.5, 23.0, 401)),  # not optional again
        (2, (11.0, 11.5, 200)),  # the new answer, and then the old one
    ):
        rows = [*fine[:i], wrong, *fine[i + 1 :]]
        with pytest.raises(AssertionError):
            judge([rows], timeline, TOKENS)
