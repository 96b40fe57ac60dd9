// Queues: sending, receiving, settling, browsing, sub-queues.
import { assert, client, deadLetters, dial, empty, fails, Long, nothing, numbered, once, receive, receiveOne, scenario, send, take, takes, text, texts } from "./stage.mjs";

scenario("send and receive", async () => {
  await send("plain", text("hello"));
  const r = client.createReceiver("plain");
  const m = await receiveOne(r);
  assert.equal(m.body, "hello");
  assert.equal(m.deliveryCount, 0);
  assert.equal(m.sequenceNumber.toNumber(), 1);
  assert.equal(m.state, "active");
  assert.ok(Math.abs(m.enqueuedTimeUtc - Date.now()) < 60_000);
  assert.ok(m.lockedUntilUtc > new Date());
  await r.completeMessage(m);
  await empty(r);
});

scenario("every property survives", async () => {
  const sent = {
    body: { nested: [1, "two", null] }, messageId: "id ü", contentType: "application/json", correlationId: "c", partitionKey: "p",
    replyTo: "answers", replyToSessionId: "answer session", subject: "s", to: "somewhere", timeToLive: 3_600_000,
    applicationProperties: { text: "x", number: 7, real: 1.5, yes: true, no: false, nothing: null },
  };
  await send("properties", sent);
  const r = client.createReceiver("properties");
  const m = await receiveOne(r);
  for (const [name, value] of Object.entries(sent)) assert.deepEqual(m[name], value, name);
  await r.completeMessage(m);
});

scenario("batch", async () => {
  const sender = client.createSender("batch");
  const batch = await sender.createMessageBatch();
  const names = numbered("batched", 50);
  for (const name of names) assert.ok(batch.tryAddMessage(text(name)));
  assert.equal(batch.maxSizeInBytes, 262144);
  await sender.sendMessages(batch);
  await sender.sendMessages(texts("list-1", "list-2"));
  await takes(client.createReceiver("batch"), ...names, "list-1", "list-2");
});

scenario("receive and delete", async () => {
  await send("at-most-once", ...texts("a", "b"));
  const r = client.createReceiver("at-most-once", { receiveMode: "receiveAndDelete" });
  assert.deepEqual((await receive(r, 2)).map((m) => m.body), ["a", "b"]);
  await empty(r);
});

scenario("receiving from an empty queue ends in time, again and again", async () => {
  const r = client.createReceiver("idle");
  for (let i = 0; i < 5; i++) await nothing(r);
  await send("idle", text("a"));
  await takes(r, "a");
});

scenario("subscribe", async () => {
  const names = numbered("streamed", 30);
  await send("streamed", ...texts(...names));
  const r = client.createReceiver("streamed");
  const seen = [];
  await new Promise((resolve, reject) => {
    const stream = r.subscribe({
      processMessage: async (m) => {
        seen.push(m.body);
        if (seen.length === names.length) resolve(stream);
      },
      processError: async (args) => reject(args.error),
    }, { maxConcurrentCalls: 4 });
  }).then((stream) => stream.close());
  assert.deepEqual(seen.sort(), names.sort());
  await r.close();
  await empty(client.createReceiver("streamed"));
});

scenario("iterate", async () => {
  await send("iterated", ...texts("a", "b"));
  const r = client.createReceiver("iterated");
  const seen = [];
  for await (const m of r.getMessageIterator()) {
    seen.push(m.body);
    await r.completeMessage(m);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ["a", "b"]);
});

scenario("abandon counts and keeps changes", async () => {
  await send("abandoned", text("a"));
  const r = client.createReceiver("abandoned");
  await r.abandonMessage(await receiveOne(r), { tried: "once" });
  const m = await receiveOne(r);
  assert.equal(m.deliveryCount, 1);
  assert.equal(m.applicationProperties.tried, "once");
  await r.completeMessage(m);
  await empty(r);
});

scenario("defer and fetch", async () => {
  await send("deferred", ...texts("a", "b", "c"));
  const r = client.createReceiver("deferred");
  const got = await receive(r, 3);
  for (const m of got) await r.deferMessage(m);
  await nothing(r);
  const seen = await r.peekMessages(10);
  assert.deepEqual(seen.map((m) => m.state), ["deferred", "deferred", "deferred"]);
  const back = await r.receiveDeferredMessages(got.map((m) => m.sequenceNumber));
  assert.deepEqual(back.map((m) => m.body), ["a", "b", "c"]);
  await r.completeMessage(back[0]);
  await r.deadLetterMessage(back[1], { deadLetterReason: "late" });
  await r.abandonMessage(back[2]);
  const [again] = await r.receiveDeferredMessages(got[2].sequenceNumber);
  await r.completeMessage(again);
  const dead = deadLetters("deferred");
  const m = await receiveOne(dead);
  assert.equal(m.deadLetterReason, "late");
  await dead.completeMessage(m);
  await empty(r);
});

scenario("dead-letter with a reason", async () => {
  await send("buried", text("a"));
  const r = client.createReceiver("buried");
  await r.deadLetterMessage(await receiveOne(r), { deadLetterReason: "unreadable", deadLetterErrorDescription: "field 3", extra: 3 });
  const dead = deadLetters("buried");
  const m = await receiveOne(dead);
  assert.equal(m.deadLetterReason, "unreadable");
  assert.equal(m.deadLetterErrorDescription, "field 3");
  assert.equal(m.applicationProperties.extra, 3);
  await dead.completeMessage(m);
  await empty(dead);
});

scenario("too many deliveries", async () => {
  await send("twice", text("a"));
  const r = client.createReceiver("twice");
  for (let i = 0; i < 2; i++) await r.abandonMessage(await receiveOne(r));
  const dead = deadLetters("twice");
  assert.equal((await receiveOne(dead)).deadLetterReason, "MaxDeliveryCountExceeded");
});

scenario("renew a lock, and lose one", async () => {
  await send("locked", text("a"));
  const r = client.createReceiver("locked", { maxAutoLockRenewalDurationInMs: 0 });
  const m = await receiveOne(r);
  const until = await r.renewMessageLock(m);
  assert.ok(until >= m.lockedUntilUtc);
  const again = await receiveOne(r);
  assert.equal(again.deliveryCount, 1);
  await fails(r.completeMessage(m), "MessageLockLost");
  await r.completeMessage(again);
});

scenario("peek", async () => {
  const names = numbered("browse", 5);
  await send("peeked", ...texts(...names));
  const r = client.createReceiver("peeked");
  const first = await r.peekMessages(3);
  const rest = await r.peekMessages(10);
  assert.deepEqual([...first, ...rest].map((m) => m.body), names);
  assert.deepEqual(await r.peekMessages(10), []);
  const [third] = await r.peekMessages(1, { fromSequenceNumber: Long.fromNumber(3) });
  assert.equal(third.body, names[2]);
  await takes(r, ...names);
});

scenario("bodies of every kind", async () => {
  const sender = client.createSender("bodies");
  const bodies = [
    { bodyType: "value", body: "a string" }, { bodyType: "value", body: { map: [1, null] } },
    { bodyType: "sequence", body: [1, "two", true] }, { bodyType: "data", body: Buffer.from([0, 255]) },
  ];
  const r = client.createReceiver("bodies", { skipParsingBodyAsJson: true });
  for (const sent of bodies) {
    await sender.sendMessages({ ...sent, messageAnnotations: { "x-mine": "kept" }, footer: { "x-sum": 1 }, header: { priority: 7 } });
    const m = await receiveOne(r);
    const raw = m._rawAmqpMessage;
    assert.equal(raw.bodyType, sent.bodyType);
    assert.deepEqual(m.body, sent.body);
    assert.equal(raw.messageAnnotations["x-mine"], "kept");
    assert.equal(raw.footer["x-sum"], 1);
    assert.equal(raw.header.priority, 7);
    await r.completeMessage(m);
  }
});

scenario("auto-forward", async () => {
  await send("from", text("a"));
  const r = client.createReceiver("to");
  const m = await receiveOne(r);
  assert.equal(m.enqueuedSequenceNumber, 1);
  await r.completeMessage(m);
});

scenario("closed entities, missing ones and messages that are too large", async () => {
  const hasty = dial(undefined, once);
  await fails(hasty.createSender("disabled").sendMessages(text("a")), "MessagingEntityDisabled");
  await fails(hasty.createSender("nowhere").sendMessages(text("a")), "MessagingEntityNotFound");
  await fails(hasty.createReceiver("nowhere").receiveMessages(1, { maxWaitTimeInMs: 2000 }), "MessagingEntityNotFound");
  await fails(hasty.createSender("plain").sendMessages({ body: Buffer.alloc(300 * 1024) }), "MessageSizeExceeded");
});

scenario("a message of 200 KiB", async () => {
  const body = Buffer.alloc(200 << 10, "large ");
  await send("large", { body });
  const r = client.createReceiver("large");
  const m = await receiveOne(r);
  assert.ok(body.equals(m.body));
  await r.completeMessage(m);
});
