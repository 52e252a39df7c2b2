"""hammer - callers that ask without a pause on open connections, while somebody changes what they are told.

Each caller is a process of its own. What it saw is judged by the machine's monotonic clock, which all
processes share: a Timeline says what may be answered to a request by when it began and when it ended.
"""

import multiprocessing
import time

import wire

CONNECTIONS = 6
REQUESTS_MOST = 400_000  # of one caller; far more than a test needs, and no memory is filled

processes = multiprocessing.get_context("fork")


class Timeline:
    """Who changed what when: the options are surely in force from `done` until the next change is called."""

    def __init__(self, state):
        self.changes = [(0.0, 0.0, state)]

    def change(self, state, carry_out):
        """Carry out a change; carry_out returns when its caller may rely on it."""
        called = time.monotonic()
        carry_out()
        self.changes.append((called, time.monotonic(), state))

    def states(self):
        return [state for _, _, state in self.changes]

    def possible(self, begun, ended):
        """The states in which a request of that time may have been answered."""
        ends = [done for _, done, _ in self.changes[1:]] + [float("inf")]
        return {
            state for (called, _, state), end in zip(self.changes, ends) if called <= ended and end >= begun
        }


class Hammer:
    """A caller with some connections, each of which it asks as soon as the last answer is there."""

    def __init__(self, client, path, token=None):
        self.data = wire.request("GET", path, token)
        # In shared memory, but each written by one process only.
        self.asked = processes.Value("Q", 0, lock=False)
        self.stopping = processes.Event()
        self.ours, theirs = processes.Pipe(duplex=False)
        self.process = processes.Process(target=self._run, args=(client, theirs))
        self.process.start()
        theirs.close()

    def wait_turn(self):
        """Until every connection was asked, after now, and answered."""
        want = self.asked.value + 2 * CONNECTIONS
        wire.wait_until(lambda: self.asked.value >= want or not self.process.is_alive(), "answers", pause=0.001)

    def stop(self):
        """What each connection saw: a list of (begun, ended, status)."""
        self.stopping.set()
        seen = self.ours.recv()
        self.process.join()
        assert not isinstance(seen, str), seen
        return seen

    def close(self):
        """For a test that failed before it stopped us."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()

    def _run(self, client, pipe):
        try:
            seen = self._ask(client)
        except Exception as problem:  # a connection that was closed, half a reply, no reply
            seen = f"after {self.asked.value} requests: {problem!r}"
        pipe.send(seen)

    def _ask(self, client):
        conns = [client.connect() for _ in range(CONNECTIONS)]
        seen = [[] for _ in conns]
        while not self.stopping.is_set() and self.asked.value < REQUESTS_MOST:
            begun = []
            for conn in conns:
                begun.append(time.monotonic())
                conn.send(self.data)
            for conn, at, rows in zip(conns, begun, seen):
                status = conn.read_reply().status
                rows.append((at, time.monotonic(), status))
            self.asked.value += len(conns)
        for conn in conns:
            conn.expect_open()
            conn.close()
        return seen


def judge(seen, timeline, statuses):
    """
    Every answer is one of a state that its request may have met, and every connection saw each state's
    answer and never one of a state before. statuses: of a state.
    """
    for rows in seen:
        for begun, ended, status in rows:
            want = {statuses[state] for state in timeline.possible(begun, ended)}
            assert status in want, f"{status}, not {want}: begun {begun}, ended {ended}, {timeline.changes}"
        runs = [status for i, (_, _, status) in enumerate(rows) if i == 0 or rows[i - 1][2] != status]
        wanted = [statuses[state] for state in timeline.states()]
        assert runs == [w for i, w in enumerate(wanted) if i == 0 or wanted[i - 1] != w]
