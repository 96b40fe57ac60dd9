// Sessions: named and next, state, locks, order.
import { assert, client, deadLetters, dial, fails, nothing, numbered, once, receive, receiveOne, scenario, send, takes, text, texts } from "./stage.mjs";

const inSession = (sessionId, ...messages) => messages.map((m) => ({ ...m, sessionId }));
const still = { maxAutoLockRenewalDurationInMs: 0 };

scenario("named", async () => {
  await send("named", ...inSession("red", ...texts("r1", "r2")), ...inSession("blue", text("b1")));
  const blue = await client.acceptSession("named", "blue", still);
  assert.equal(blue.sessionId, "blue");
  assert.ok(blue.sessionLockedUntilUtc > new Date());
  await takes(blue, "b1");
  await nothing(blue);
  await blue.close();
  const red = await client.acceptSession("named", "red", still);
  await takes(red, "r1", "r2");
  await red.close();
});

scenario("next available, and none", async () => {
  await send("next", ...inSession("only", text("1")));
  const r = await client.acceptNextSession("next", still);
  assert.equal(r.sessionId, "only");
  await takes(r, "1");
  const hasty = dial(undefined, { retryOptions: { maxRetries: 0, timeoutInMs: 2000 } });
  await fails(hasty.acceptNextSession("next", still), "ServiceTimeout");
  await r.close();
});

scenario("one holder at a time", async () => {
  const holder = await client.acceptSession("held", "mine", still);
  const other = dial(undefined, once);
  await fails(other.acceptSession("held", "mine", still), "SessionCannotBeLocked");
  await holder.close();
  const next = await other.acceptSession("held", "mine", still);
  await next.close();
});

scenario("state", async () => {
  let r = await client.acceptSession("stateful", "saga", still);
  assert.equal(await r.getSessionState(), null);
  await r.setSessionState({ step: 3 });
  await r.close();
  r = await client.acceptSession("stateful", "saga", still);
  assert.deepEqual(await r.getSessionState(), { step: 3 });
  await r.setSessionState(null);
  assert.equal(await r.getSessionState(), null);
  await r.close();
});

scenario("order", async () => {
  const names = numbered("step", 12);
  await send("ordered", ...inSession("flow", ...texts(...names)));
  const got = [];
  while (got.length < names.length) {
    const r = await client.acceptSession("ordered", "flow", still);
    const messages = await receive(r, Math.min(5, names.length - got.length));
    for (const m of messages.slice(0, 3)) {
      await r.completeMessage(m);
      got.push(m.body);
    }
    await r.close();
  }
  assert.deepEqual(got, names);
});

scenario("renew, and a lock that runs out", async () => {
  await send("expiring", ...inSession("x", text("a")));
  const slow = await client.acceptSession("expiring", "x", still);
  const before = slow.sessionLockedUntilUtc;
  const until = await slow.renewSessionLock();
  assert.ok(until >= before);
  const m = await receiveOne(slow);
  const next = await client.acceptNextSession("expiring", still);
  assert.equal(next.sessionId, "x");
  await fails(slow.completeMessage(m), "SessionLockLost");
  await takes(next, "a");
  await next.close();
});

scenario("subscribe in a session", async () => {
  const names = numbered("streamed", 10);
  await send("streamed", ...inSession("s", ...texts(...names)));
  const r = await client.acceptSession("streamed", "s", still);
  const seen = [];
  await new Promise((resolve, reject) => {
    const stream = r.subscribe({
      processMessage: async (m) => {
        seen.push(m.body);
        if (seen.length === names.length) resolve(stream);
      },
      processError: async (args) => reject(args.error),
    });
  }).then((stream) => stream.close());
  assert.deepEqual(seen, names);
  await r.close();
});

scenario("defer and bury", async () => {
  await send("ends", ...inSession("x", ...texts("aside", "bad")));
  let r = await client.acceptSession("ends", "x", still);
  const [aside, bad] = await receive(r, 2);
  await r.deferMessage(aside);
  await r.deadLetterMessage(bad, { deadLetterReason: "bad" });
  await r.close();
  r = await client.acceptSession("ends", "x", still);
  const [back] = await r.receiveDeferredMessages(aside.sequenceNumber);
  await r.completeMessage(back);
  const dead = deadLetters("ends");
  const m = await receiveOne(dead);
  assert.equal(m.sessionId, "x");
  await dead.completeMessage(m);
  await r.close();
});

scenario("sessions of a subscription", async () => {
  await send("session-topic", ...inSession("x", text("a")));
  const r = await client.acceptNextSession("session-topic", "s", still);
  assert.equal(r.sessionId, "x");
  await takes(r, "a");
  await r.close();
});

scenario("wrong kinds of receivers", async () => {
  const hasty = dial(undefined, once);
  await assert.rejects(hasty.createReceiver("named").receiveMessages(1, { maxWaitTimeInMs: 2000 }), /non-sessionful message receiver/);
  await assert.rejects(hasty.acceptSession("no-sessions", "x", still));
  await assert.rejects(hasty.createSender("named").sendMessages(text("no session")));
});
