"""A stage for transactions with Qpid Proton, the one stock client that has them.

A scenario is a generator. What it yields is something to wait for; what it
gets back is the answer. Proton calls the stage, the stage resumes the scenario.
"""

from collections import deque

from proton import Message
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container

ACCEPTED = 0x24
REJECTED = 0x25
STEP_SECONDS = 20


class Failed(Exception):
    """The server did something else than the scenario expects."""


class Stage(MessagingHandler, TransactionHandler):
    """Plays one scenario over one connection, and looks on over a second one."""

    def __init__(self, url, play):
        super().__init__(prefetch=0, auto_accept=False, auto_settle=False, peer_close_is_error=True)
        self.url, self.play = url, play
        self.error = None
        self.waiting = None   # how the next answer reaches the scenario
        self.deadline = None
        self.inbox = {}       # messages that came, by receiver
        self.looks = 0
        self.ending = False   # the look is over, and its receiver not gone yet
        self.senders, self.receivers = {}, {}

    # --- what scenarios call -------------------------------------------------

    def declare(self):
        """Waits for a new transaction."""
        self.container.declare_transaction(self.conn, handler=self)
        return "declared"

    def commit(self, txn):
        txn.commit()
        return "committed"

    def abort(self, txn):
        txn.abort()
        return "aborted"

    def send(self, entity, body, txn=None, **properties):
        """Sends and waits for the outcome; gives the AMQP code of the outcome."""
        sender = self.senders.get(entity)
        if sender is None:
            sender = self.senders[entity] = self.container.create_sender(self.conn, entity)
        message = Message(body=body, id=body, durable=True, **properties)
        self.sent = txn.send(sender, message) if txn else sender.send(message)
        return "sent"

    def receive(self, entity):
        """Waits for one message and gives its delivery and the message."""
        self._want(self.conn, entity)
        return "message"

    def look(self, entity, seconds=0.4):
        """Looks over another connection: gives a body, completed, or None."""
        # Proton attaches before it detaches: a name used again would be a theft.
        self.looks += 1
        self.watch = self.container.create_receiver(self.onlooker, entity, name=f"look-{self.looks}")
        self.watch.flow(1)
        self.ending = False
        self.container.schedule(seconds, EndOfLook(self, self.looks))
        return "look"

    def cut(self):
        """Ends the connection without a word about its transactions."""
        self.conn.close()
        return "closed"

    def settle(self, delivery, code=ACCEPTED, txn=None):
        """Settles a delivery, in a transaction or at once, and waits for the answer."""
        self.settling = delivery
        if txn is None:
            delivery.update(code)
        elif code == ACCEPTED:
            txn.accept(delivery)
        else:
            txn.update(delivery, code)
        return "settled"

    # --- what Proton calls ---------------------------------------------------

    def on_start(self, event):
        self.container = event.container
        options = dict(url=self.url, allowed_mechs="PLAIN", allow_insecure_mechs=True, reconnect=False)
        self.conn = self.container.connect(**options)
        self.onlooker = self.container.connect(**options)
        self.steps = self.play(self)
        self._resume(None)

    def on_transaction_declared(self, event):
        self._answer("declared", event.transaction)

    def on_transaction_committed(self, event):
        self._answer("committed", True)

    def on_transaction_aborted(self, event):
        self._answer("aborted", True)

    def on_transaction_commit_failed(self, event):
        self._answer("committed", False)

    def on_transaction_declare_failed(self, event):
        self._fail("the transaction was not declared")

    def on_settled(self, event):
        delivery = event.delivery
        if self.waiting == "sent" and delivery == self.sent:
            code = delivery.remote_state
            if int(code) == 0x34:  # transactional state: the outcome is inside
                code = delivery.remote.data[1].descriptor
            delivery.settle()
            self._answer("sent", int(code))
        elif self.waiting == "settled" and delivery == self.settling:
            self._answer("settled", delivery)

    def on_message(self, event):
        if self.waiting == "look" and event.receiver == self.watch and not self.ending:
            body = event.message.body
            event.delivery.update(ACCEPTED)
            event.delivery.settle()
            self.watch.close()
            self._answer("look", body)
            return
        self.inbox.setdefault(event.receiver.name, deque()).append((event.delivery, event.message))
        if self.waiting == "message":
            self._give()

    def on_connection_closed(self, event):
        if self.waiting == "closed":
            self.conn = self.container.connect(url=self.url, allowed_mechs="PLAIN", allow_insecure_mechs=True, reconnect=False)
            self.senders, self.receivers = {}, {}
            self._answer("closed", None)

    def on_link_error(self, event):
        self._fail(f"link closed: {event.link.remote_condition}")

    def on_connection_error(self, event):
        self._fail(f"connection closed: {event.connection.remote_condition}")

    def on_transport_error(self, event):
        self._fail(f"transport: {event.transport.condition}")

    def end_look(self, number):
        """Ends a look in vain, when the receiver is gone: else it takes what comes next."""
        if self.waiting == "look" and number == self.looks:
            self.ending = True
            self.watch.close()

    def on_link_closed(self, event):
        if self.ending and event.link == self.watch:
            self.ending = False
            self._answer("look", None)

    # --- the machinery -------------------------------------------------------

    def _want(self, conn, entity):
        receiver = self.receivers.get(entity)
        if receiver is None:
            receiver = self.receivers[entity] = self.container.create_receiver(conn, entity)
        self.wanted = receiver
        if not self.inbox.get(receiver.name):
            receiver.flow(1)

    def _give(self):
        box = self.inbox.get(self.wanted.name)
        if box:
            self._answer("message", box.popleft())

    def _answer(self, what, value):
        if self.waiting == what:
            self._resume(value)

    def _resume(self, value):
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None
        try:
            self.waiting = self.steps.send(value)
            self.deadline = self.container.schedule(STEP_SECONDS, Deadline(self))
            if self.waiting == "message":
                self._give()
        except StopIteration:
            self._end()
        except Exception as error:  # the scenario's own assertions
            self._fail(error)

    def _fail(self, why):
        if self.error is None:
            self.error = why
        self._end()

    def _end(self):
        self.waiting = None
        if self.deadline:
            self.deadline.cancel()
        self.conn.close()
        self.onlooker.close()
        self.container.stop()


class EndOfLook:
    """Ends one look, and none that came after it."""

    def __init__(self, stage, number):
        self.stage, self.number = stage, number

    def on_timer_task(self, event):
        self.stage.end_look(self.number)


class Deadline:
    """Ends a scenario that waits for what does not come."""

    def __init__(self, stage):
        self.stage = stage

    def on_timer_task(self, event):
        self.stage._fail(f"waited {STEP_SECONDS} s in vain: {self.stage.waiting}")


def play(url, scenario):
    """Plays one scenario; gives None, or what went wrong."""
    stage = Stage(url, scenario)
    Container(stage).run()
    return stage.error


def equal(what, got, want):
    if got != want:
        raise Failed(f"{what} is {got!r}, want {want!r}")
