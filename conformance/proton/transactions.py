"""Transactions of Service Bus, as AMQP 1.0 has them: coordinator, declare,
transactional sends and settlements, discharge.

usage: transactions.py amqp://NAME:KEY@HOST:PORT
"""

import sys

from stage import ACCEPTED, REJECTED, equal, play


def commit_of_sends(s):
    txn = yield s.declare()
    for body in ("a", "b"):
        equal("outcome", (yield s.send("commit-sends", body, txn)), ACCEPTED)
    equal("seen before the commit", (yield s.look("commit-sends")), None)
    equal("commit succeeded", (yield s.commit(txn)), True)
    equal("first", (yield s.look("commit-sends", 10)), "a")
    equal("second", (yield s.look("commit-sends", 10)), "b")
    equal("third", (yield s.look("commit-sends")), None)


def rollback_of_sends(s):
    txn = yield s.declare()
    yield s.send("abort-sends", "a", txn)
    yield s.send("abort-sends", "b", txn)
    yield s.abort(txn)
    equal("seen after the rollback", (yield s.look("abort-sends")), None)
    equal("outcome outside", (yield s.send("abort-sends", "c")), ACCEPTED)
    equal("seen", (yield s.look("abort-sends", 10)), "c")


def move_between_queues(s):
    txn = yield s.declare()
    yield s.send("move-from", "a")
    delivery, message = yield s.receive("move-from")
    equal("body", message.body, "a")
    yield s.settle(delivery, ACCEPTED, txn)
    yield s.send("move-to", "a, moved", txn)
    equal("seen before the commit", (yield s.look("move-to")), None)
    equal("commit succeeded", (yield s.commit(txn)), True)
    equal("moved", (yield s.look("move-to", 10)), "a, moved")
    equal("left behind", (yield s.look("move-from")), None)


def rollback_of_a_move(s):
    txn = yield s.declare()
    yield s.send("stay", "a")
    delivery, _ = yield s.receive("stay")
    yield s.settle(delivery, ACCEPTED, txn)
    yield s.send("not-reached", "a, moved", txn)
    yield s.abort(txn)
    equal("moved", (yield s.look("not-reached")), None)
    equal("still there", (yield s.look("stay", 15)), "a")


def a_topic_in_a_transaction(s):
    txn = yield s.declare()
    yield s.send("in-topic", "a", txn)
    yield s.send("in-queue", "b", txn)
    equal("copy before the commit", (yield s.look("in-topic/Subscriptions/one")), None)
    equal("commit succeeded", (yield s.commit(txn)), True)
    equal("first copy", (yield s.look("in-topic/Subscriptions/one", 10)), "a")
    equal("second copy", (yield s.look("in-topic/Subscriptions/two", 10)), "a")
    equal("queue", (yield s.look("in-queue", 10)), "b")


def dead_letter_in_a_transaction(s):
    txn = yield s.declare()
    yield s.send("bury", "a")
    delivery, _ = yield s.receive("bury")
    yield s.settle(delivery, REJECTED, txn)
    equal("dead letter before the commit", (yield s.look("bury/$DeadLetterQueue")), None)
    equal("commit succeeded", (yield s.commit(txn)), True)
    equal("dead letter", (yield s.look("bury/$DeadLetterQueue", 10)), "a")


def a_connection_that_ends_rolls_back(s):
    txn = yield s.declare()
    yield s.send("cut-off", "a", txn)
    yield s.cut()
    equal("seen after the connection ended", (yield s.look("cut-off")), None)
    yield s.send("cut-off", "b")
    equal("seen", (yield s.look("cut-off", 10)), "b")


def several_transactions_at_once(s):
    first = yield s.declare()
    second = yield s.declare()
    yield s.send("two-at-once", "first", first)
    yield s.send("two-at-once", "second", second)
    yield s.abort(first)
    equal("commit succeeded", (yield s.commit(second)), True)
    equal("seen", (yield s.look("two-at-once", 10)), "second")
    equal("rest", (yield s.look("two-at-once")), None)


def one_transaction_after_the_other(s):
    for body in ("1", "2", "3"):
        txn = yield s.declare()
        yield s.send("in-turn", body, txn)
        equal("commit succeeded", (yield s.commit(txn)), True)
    for body in ("1", "2", "3"):
        equal("seen", (yield s.look("in-turn", 10)), body)


SCENARIOS = [
    commit_of_sends, rollback_of_sends, move_between_queues, rollback_of_a_move, a_topic_in_a_transaction,
    dead_letter_in_a_transaction, a_connection_that_ends_rolls_back, several_transactions_at_once, one_transaction_after_the_other,
]


def main(url):
    failed = 0
    for number, scenario in enumerate(SCENARIOS, 1):
        error = play(url, scenario)
        name = scenario.__name__.replace("_", " ")
        print(f"{'not ok' if error else 'ok'} {number} - {name}", flush=True)
        if error:
            failed += 1
            print(f"#   {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
