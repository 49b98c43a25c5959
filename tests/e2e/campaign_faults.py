"""What the campaign breaks: each takes the campaign and a stream, and returns the exit statuses it excuses."""

import contextlib
import os
import signal
import time

from postgres import wait_until

SINK_FAILED, STATE_FAILED = 9, 10


# ---- walrow ----


def kill(campaign, stream):
    stream.kill()


def kill_all(campaign, stream, allowed=frozenset()):
    for each in campaign.streams:
        if each.run is not None:
            each.kill(allowed)


def crash(campaign, stream):
    """At a named place, of those with the fewest so far, at one of its passings."""
    fewest = min(campaign.points[point] for point in campaign.all_points)
    point = campaign.pick.choice([point for point in campaign.all_points if campaign.points[point] == fewest])
    if point.endswith("-kafka-commit"):
        stream = campaign.streams[-1]
    elif point.endswith(("-buffer", "-commit", "-publish", "-replace", "-rename", "-file-end")):
        stream = campaign.streams[0]  # has sinks of every kind, and passes there all the time
    passing = campaign.pick.choice([1, 1, 2] if campaign.unreached[point] else [1, 1, 2, 3, 5, 10, 30])
    crash_at(campaign, stream, f"{point}:{passing}")
    campaign.say(f"  {stream.name} at {point}:{passing}{', not reached' if stream.alive() else ''}")
    campaign.points[point] += not stream.alive()
    campaign.unreached[point] += stream.alive()
    stream.kill()  # or the place would be reached in another cycle


def crash_at(campaign, stream, place):
    campaign.restart(stream, place)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=4)


def lose_power(campaign, stream):
    """At a random moment or a named place; and once more while it recovers."""
    place = campaign.pick.choice(campaign.all_points)
    if campaign.pick.random() < 0.5:
        crash_at(campaign, stream, f"{place}:{campaign.pick.choice([1, 2, 5])}")
    if campaign.pick.random() < 0.5:
        campaign.restart(stream)
        time.sleep(campaign.pick.uniform(0, 0.7))
    stream.kill()
    luck = campaign.pick.choice([0, 0, 0.5])
    stream.durable.lose_power(lambda: campaign.pick.random() < luck)


def interrupt_snapshot(campaign, stream):
    """Of a new table, up to three times: it is read again from its beginning."""
    reading = f"reading the rows of public.{campaign.work.add_table()}"
    for i in range(4):
        campaign.proxy.trickle_after(campaign.pick.randrange(1 << 19, 1 << 22))
        place = f"{campaign.pick.choice(campaign.all_points)}:{campaign.pick.choice([2, 5, 20])}"
        campaign.restart(stream, campaign.pick.choice([None, None, place]))
        streams = lambda: campaign.db.slot(stream.name)["active"]  # noqa: E731
        wait_until(lambda: not stream.alive() or reading in stream.run.err or streams(), timeout_s=120)
        again = reading in stream.run.err
        campaign.interrupted += again and i > 0
        time.sleep(campaign.pick.uniform(0, 0.4))
        stream.kill()
        if not again:
            break
    campaign.proxy.heal()


def jump(campaign, stream):
    """The time of day, forwards or back, by seconds to years."""
    stream.set_clock(campaign.pick.choice([-1, 1]) * int(10 ** campaign.pick.uniform(0, 8)))
    campaign.expect_progress(stream)


def stop(campaign, stream):
    """An orderly one: 0, with everything delivered."""
    stream.note_memory()
    assert stream.run.stop().code == 0, stream.run.err


def pause(campaign, stream):
    stream.run.signal(signal.SIGSTOP)
    time.sleep(campaign.pick.uniform(1, 4))
    stream.run.signal(signal.SIGCONT)


# ---- the server and the way to it ----


def kill_server(campaign, stream):
    campaign.server.kill()
    time.sleep(campaign.pick.uniform(0, 0.5))
    campaign.server.start()
    campaign.expect_progress(stream)


def restart_server(campaign, stream):
    campaign.server.restart("immediate")
    campaign.expect_progress(stream)


def terminate_walsender(campaign, stream):
    campaign.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    campaign.expect_progress(stream)


def cut_connections(campaign, stream):
    campaign.proxy.cut()
    campaign.expect_progress(stream)


def refuse_connections(campaign, stream):
    campaign.proxy.refuse()
    time.sleep(campaign.pick.uniform(0.1, 1))
    campaign.proxy.heal()
    campaign.expect_progress(stream)


def swallow_traffic(campaign, stream):
    campaign.proxy.swallow()
    time.sleep(campaign.pick.uniform(1, 4))
    campaign.proxy.heal()
    campaign.expect_progress(stream)


# ---- the disk ----


def fill_disk(campaign, stream):
    campaign.disk.fill()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=3)
    campaign.disk.free()
    allowed = {SINK_FAILED, STATE_FAILED}
    kill_all(campaign, stream, allowed)  # or an error that is on its way would be the next fault's
    return allowed


def forbid_writing(campaign, stream):
    folders = [parent for parent, _, _ in os.walk(stream.folder) if not parent.startswith(stream.state)]
    for folder in folders:
        os.chmod(folder, 0o555)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not stream.alive(), timeout_s=4)
    for folder in folders:
        os.chmod(folder, 0o755)
    kill_all(campaign, stream, {SINK_FAILED})
    return {SINK_FAILED}


# ---- the broker ----


def stream_into_broker(campaign):
    stream = campaign.streams[-1]
    if not stream.alive():
        campaign.restart(stream)
    return stream


def kill_broker(campaign, stream):
    stream = stream_into_broker(campaign)
    campaign.kafka.kill()
    time.sleep(campaign.pick.uniform(0, 3))
    campaign.kafka.start()
    campaign.expect_progress(stream)


def freeze_broker(campaign, stream):
    stream = stream_into_broker(campaign)
    campaign.kafka.freeze()
    time.sleep(campaign.pick.uniform(0.5, 4))
    campaign.kafka.mend()
    campaign.expect_progress(stream)


FAULTS = [  # how often in a deck, what the report calls it
    (3, "kill -9 of walrow", kill),
    (1, "kill -9 of every walrow", kill_all),
    (6, "kill -9 of walrow at a named place", crash),
    (1, "kill -9 of walrow while it reads a new table's rows", interrupt_snapshot),
    (3, "SIGTERM", stop),
    (1, "SIGSTOP for seconds", pause),
    (1, "the clock jumps", jump),
    (1, "kill -9 of PostgreSQL", kill_server),
    (1, "immediate restart of PostgreSQL", restart_server),
    (1, "walsenders terminated", terminate_walsender),
    (1, "connections reset", cut_connections),
    (1, "connections refused for a while", refuse_connections),
    (1, "connections blackholed for seconds", swallow_traffic),
    (1, "directories read-only for a while", forbid_writing),
]
BROKER_FAULTS = [
    (1, "kill -9 of the broker", kill_broker),
    (2, "the broker stands still for seconds", freeze_broker),
]
if os.geteuid() == 0:
    FAULTS += [(1, "disk full for a while", fill_disk), (3, "power failure under walrow", lose_power)]
