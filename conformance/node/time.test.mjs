// Schedules, expiry and duplicates.
import { assert, client, deadLetters, empty, receive, receiveOne, scenario, send, takes, text, texts } from "./stage.mjs";

scenario("schedule", async () => {
  const sender = client.createSender("scheduled");
  const due = new Date(Date.now() + 2000);
  const numbers = await sender.scheduleMessages(texts("a", "b"), due);
  assert.equal(numbers.length, 2);
  const r = client.createReceiver("scheduled");
  const seen = await r.peekMessages(10);
  assert.deepEqual(seen.map((m) => m.state), ["scheduled", "scheduled"]);
  const got = await receive(r, 2);
  assert.ok(new Date() >= due, "delivered before it was due");
  assert.deepEqual(got.map((m) => m.body), ["a", "b"]);
  assert.ok(got[0].sequenceNumber.greaterThan(numbers[1]));
  for (const m of got) await r.completeMessage(m);
});

scenario("schedule by property", async () => {
  await send("scheduled-by-property", text("later", { scheduledEnqueueTimeUtc: new Date(Date.now() + 1000) }), text("now"));
  await takes(client.createReceiver("scheduled-by-property"), "now", "later");
});

scenario("cancel", async () => {
  const sender = client.createSender("cancelled");
  const [number] = await sender.scheduleMessages(text("never"), new Date(Date.now() + 3_600_000));
  await sender.cancelScheduledMessages(number);
  await empty(client.createReceiver("cancelled"));
  await assert.rejects(sender.cancelScheduledMessages(number));
});

scenario("expired messages are dead-lettered", async () => {
  await send("expiring", text("gone", { timeToLive: 1000 }));
  const dead = deadLetters("expiring");
  const m = await receiveOne(dead);
  assert.equal(m.deadLetterReason, "TTLExpiredException");
  await dead.completeMessage(m);
});

scenario("duplicates", async () => {
  await send("deduplicated", ...texts("same", "same", "other"));
  const r = client.createReceiver("deduplicated");
  await takes(r, "same", "other");
  await empty(r);
});
