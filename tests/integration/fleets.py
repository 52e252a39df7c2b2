"""fleets - several daemons over one database, those who operate them, and guests who never stop asking."""

import json
import multiprocessing
import sqlite3
import time

import aws
import samples
import wire
from control_socket import ask

ID = "/latest/meta-data/instance-id"
processes = multiprocessing.get_context("fork")


def put(host, *instances):
    return ask(host, "PutInstances", text=json.dumps(list(instances))).ok()


def show(host, name):
    return ask(host, "GetInstance", instanceName=name).ok()["instance"]


def options(host, name):
    return show(host, name)["metadataOptions"]


def change(host, name, **members):
    """Change options; the answer, right or wrong."""
    return ask(host, "UpdateInstanceMetadataOptions", instanceName=name, **members)


def listed(host):
    """All instances by name, page by page."""
    found, token = {}, {}
    while True:
        page = ask(host, "GetInstances", **token).ok()
        for one in page["instances"]:
            assert one["name"] not in found
            found[one["name"]] = one
        if "nextPageToken" not in page:
            return found
        token = {"pageToken": page["nextPageToken"]}


def is_applied(host, name, **members):
    """Whether that is known: not while its host can't be asked for."""
    answer = ask(host, "GetInstance", instanceName=name)
    if answer.status == 500:
        answer.refused("ServiceException")
        return False
    have = answer.ok()["instance"]["metadataOptions"]
    return have["state"] == "applied" and all(have[key] == value for key, value in members.items())


def wait_applied(host, name, **members):
    wire.wait_until(lambda: is_applied(host, name, **members), f"{name} to be {members}", pause=0.005)


def audits(host, name=None):
    """All records, the newest first."""
    found, members = [], {} if name is None else {"instanceName": name}
    while True:
        page = ask(host, "GetAuditRecords", **members).ok()
        found += page["auditRecords"]
        if "nextPageToken" not in page:
            return found
        members["pageToken"] = page["nextPageToken"]


class Fleet:
    def __init__(self, workshop, server):
        self.workshop = workshop
        self.server = server
        self.database = server.new_database()
        self.hosts = []
        self.guests = []

    def host(self, name, start=True, url=None, **config):
        """A daemon; its guests come from 127.0.0.11 and on, at a port of its own."""
        made = self.workshop.daemon(None, start=False, fresh=True)
        made.host = name
        made.write_config({
            "instances": [], "workers": 1, "host": name, "localCopy": str(made.database),
            "store": url or self.server.url(self.database), **config,
        })  # fmt: skip
        aws.credentials(made, [{"accessKeyId": aws.KEY, "secretAccessKey": aws.SECRET, "allow": ["*"]}])
        self.hosts.append(made)
        return made.start() if start else made

    def start(self, *names, **config):
        """Several at once."""
        made = [self.host(name, start=False, **config) for name in names]
        for one in made:
            one.spawn()
        for one in made:
            one.wait_ready()
        self.wait_known()
        return made

    def wait_known(self):
        """A moment after they are ready the database has heard of all."""
        there = {host.host for host in self.running()}

        def known():
            hosts = ask(self.running()[0], "GetFleet").ok()["hosts"]
            return there <= {one["name"] for one in hosts if not one["stopped"]}

        wire.wait_until(known, "the hosts to be known")

    def guest(self, host, source="127.0.0.11", **how):
        made = Guest(host.client(source), **how)
        self.guests.append(made)
        return made

    def close(self):
        for guest in self.guests:
            guest.kill()

    # -- the truth

    def psql(self, sql):
        return self.server.psql(sql, self.database)

    def rows(self, host=None):
        """What the database has of all instances, or of one host's: name: (host, specification)."""
        where = "" if host is None else f"and host = '{host}'"
        found = self.psql(
            "select name, host, spec from readable_instance where spec != 'null' and next_host = '' " + where
        )
        return {name: (where_it_is, json.loads(spec)) for name, where_it_is, spec in found}

    def check_quiet(self):
        """
        All that hosts serve and have copied is what the database has. To be called when nobody changes
        anything any more; waits until all is applied.
        """
        wire.wait_until(self.is_level, "all hosts to have all changes", 45.0)
        rows = self.rows()
        for host in self.hosts:
            if host.process is None:
                continue
            own = {name: spec for name, (where, spec) in rows.items() if where == host.host}
            assert copied(host) == own
            for name, one in listed(host).items():
                assert one["host"] == rows[name][0]
                have = one["metadataOptions"]
                assert have["state"] == "applied", one
                for key, value in rows[name][1].get("metadataOptions", {}).items():
                    assert have[key] == value, (host.host, name)
            assert set(listed(host)) == set(rows)
            check_guests(host, own)
        (open_operations,) = self.psql("select count(*) from operation where open = 1")
        assert open_operations == ["0"]
        numbers = self.psql("select id, count(*) from operation group by id having count(*) > 1")
        assert numbers == []

    def is_level(self):
        hosts = ask(self.running()[0], "GetFleet").ok()["hosts"]
        there = {host.host for host in self.running()}
        waiting = self.psql("select 1 from instance where next_host != '' union select 1 from operation where open = 1")
        return all(one["lag"] == 0 for one in hosts if one["name"] in there) and waiting == []

    def running(self):
        return [host for host in self.hosts if host.process is not None]


def copied(host):
    """What a host's local copy has: name: specification."""
    with sqlite3.connect(f"file:{host.database}?mode=ro", uri=True) as copy:
        rows = copy.execute("select name, spec, host from instance where spec != 'null'").fetchall()
    copy.close()
    assert {where for _, _, where in rows} <= {host.host}
    return {name: json.loads(spec) for name, spec, _ in rows}


def check_guests(host, specs):
    """Each guest is answered as its instance's options say."""
    for name, spec in specs.items():
        have = spec.get("metadataOptions", {})
        want = 401 if have.get("httpTokens") == "required" else 200
        want = 403 if have.get("httpEndpoint") == "disabled" else want
        reply = host.client(spec["match"]["addresses"][0]).get(ID)
        if spec.get("state") == "stopped":
            assert reply.status not in (200, 401), (host.host, name, spec, reply)
        else:
            assert reply.status == want, (host.host, name, spec, reply)


def instance(number, **facts):
    """web-NUMBER, whose guest comes from 127.0.1.NUMBER."""
    return samples.plain(f"web-{number}", f"127.0.1.{number}", **facts)


class Guest:
    """
    A guest that asks on and on, on one connection, at a pace that leaves others time: in turn without a
    token, with one, and for one. Every answer must be right.
    """

    def __init__(self, client, pause_s=0.002, bare_only=False):
        self.pause_s = pause_s
        self.bare_only = bare_only  # no tokens
        self.asked = processes.Value("Q", 0, lock=False)
        self.stopping = processes.Event()
        self.ours, theirs = processes.Pipe(duplex=False)
        self.process = processes.Process(target=self._run, args=(client, theirs))
        self.process.start()
        theirs.close()

    def wait_turn(self, n=20):
        want = self.asked.value + n
        wire.wait_until(lambda: self.asked.value >= want or not self.process.is_alive(), "answers")

    def stop(self):
        """What it saw: Seen."""
        self.stopping.set()
        seen = self.ours.recv()
        self.process.join()
        assert not isinstance(seen, str), seen
        return Seen(*seen)

    def kill(self):
        if self.process.is_alive():
            self.process.kill()
        self.process.join()

    def _run(self, client, pipe):
        try:
            seen = self._ask(client)
        except Exception as problem:  # whatever it is, it is a guest's error
            seen = f"a guest, after {self.asked.value} requests, at {time.monotonic()}: {problem!r}"
        pipe.send(seen)

    def _ask(self, client):
        times, bare = [], 0
        with client.connect() as conn:
            token = conn.put_token()
            name = conn.get(ID, token).text
            assert name.startswith("i-"), name
            while not self.stopping.is_set():
                for path_token in (None,) if self.bare_only else (None, token):
                    begun = time.monotonic()
                    reply = conn.get(ID, path_token)
                    times.append((begun, time.monotonic() - begun))
                    assert (reply.status, reply.text) == (200, name), reply
                    bare += path_token is None
                    self.asked.value += 1
                if not self.bare_only and len(times) % 50 == 0:
                    token = conn.put_token()
                time.sleep(self.pause_s)
        return times, bare


class Seen:
    def __init__(self, times, bare):
        self.times = times  # (begun, seconds)
        self.bare = bare  # how many had no token

    def worst(self, share, begin=0.0, end=float("inf")):
        """The percentile of how long answers took that were asked for in a time."""
        took = sorted(seconds for begun, seconds in self.times if begin <= begun <= end)
        assert len(took) > 50, f"only {len(took)} answers in that time"
        return took[min(len(took) - 1, int(len(took) * share))]
