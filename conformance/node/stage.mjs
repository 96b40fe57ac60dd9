// What every scenario plays on: a client of the server that the environment
// names, and words for what clients do.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import Long from "long";
import { ServiceBusClient } from "@azure/service-bus";

export { assert, Long };

/** The connection string of the server under test. */
export const connection = process.env.WEIR_CONNECTION;

const open = [];

/** A client that is closed after the file's last scenario. */
export function dial(to = connection, options = {}) {
  const client = new ServiceBusClient(to, options);
  open.push(client);
  return client;
}

/** A client that says at once what went wrong, in place of trying again. */
export const once = { retryOptions: { maxRetries: 0, timeoutInMs: 15000 } };

after(async () => {
  await Promise.all(open.map((client) => client.close()));
});

/** One scenario; those of one file share a client. */
export function scenario(name, play) {
  test(name, { timeout: 90_000 }, play);
}

export const client = dial();

/** A message whose id is its body. */
export const text = (body, more = {}) => ({ body, messageId: body, ...more });
export const texts = (...bodies) => bodies.map((body) => text(body));
export const numbered = (prefix, n) => Array.from({ length: n }, (_, i) => `${prefix}-${i}`);

export async function send(entity, ...messages) {
  const sender = client.createSender(entity);
  for (const m of messages) await sender.sendMessages(m);
  await sender.close();
}

/** Receives exactly n messages. */
export async function receive(receiver, n) {
  const all = [];
  const until = Date.now() + 30_000;
  while (all.length < n) {
    assert.ok(Date.now() < until, `received ${all.length} of ${n} messages: ${all.map((m) => m.body)}`);
    all.push(...(await receiver.receiveMessages(n - all.length, { maxWaitTimeInMs: 5000 })));
  }
  return all;
}

export const receiveOne = async (receiver) => (await receive(receiver, 1))[0];

/** Receives n messages, completes them and returns their bodies. */
export async function take(receiver, n) {
  const got = await receive(receiver, n);
  for (const m of got) await receiver.completeMessage(m);
  return got.map((m) => m.body);
}

/** Checks that the next messages are the named ones, and completes them. */
export async function takes(receiver, ...want) {
  assert.deepEqual(await take(receiver, want.length), want);
}

/** Checks that a browser sees nothing, locked or not. */
export async function empty(receiver) {
  const left = await receiver.peekMessages(10, { fromSequenceNumber: Long.ONE });
  assert.deepEqual(left.map((m) => m.body), []);
}

/** Checks that nothing is delivered for a moment. */
export async function nothing(receiver) {
  const got = await receiver.receiveMessages(1, { maxWaitTimeInMs: 300 });
  assert.deepEqual(got.map((m) => m.body), []);
}

export const deadLetters = (...entity) => client.createReceiver(...entity, { subQueueType: "deadLetter" });

/** Checks that work fails with one of the SDK's codes. */
export async function fails(work, code, words = "") {
  await assert.rejects(work, (err) => {
    assert.equal(err.code, code, `failed with ${err.code}: ${err.message}`);
    assert.ok(err.message.includes(words), `failed with "${err.message}", want the words "${words}"`);
    return true;
  });
}
