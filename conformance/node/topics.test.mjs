// Topics: copies, and rules made while the server runs.
import { assert, client, deadLetters, empty, receive, receiveOne, scenario, send, take, takes, text } from "./stage.mjs";

scenario("a copy for each subscription", async () => {
  await send("news", text("a"), text("b"));
  await takes(client.createReceiver("news", "one"), "a", "b");
  await takes(client.createReceiver("news", "two"), "a", "b");
});

scenario("rules", async () => {
  const rules = client.createRuleManager("ruled", "s");
  await rules.deleteRule("$Default");
  await rules.createRule("red", { sqlExpression: "color = 'red'" }, { sqlExpression: "SET seen = 'red rule'" });
  await rules.createRule("order", { subject: "order", applicationProperties: { region: "eu" } });
  const listed = [];
  for await (const rule of rules.listRules()) listed.push(rule);
  listed.sort((a, b) => (a.name < b.name ? -1 : 1));
  assert.deepEqual(listed.map((r) => r.name), ["order", "red"]);
  assert.equal(listed[0].filter.subject, "order");
  assert.deepEqual(listed[0].filter.applicationProperties, { region: "eu" });
  assert.equal(listed[1].filter.sqlExpression, "color = 'red'");
  assert.equal(listed[1].action.sqlExpression, "SET seen = 'red rule'");

  await send("ruled",
    text("red", { applicationProperties: { color: "red" } }),
    text("blue", { applicationProperties: { color: "blue" } }),
    text("order", { subject: "order", applicationProperties: { region: "eu" } }),
    text("order elsewhere", { subject: "order", applicationProperties: { region: "us" } }));
  const r = client.createReceiver("ruled", "s");
  const got = await receive(r, 2);
  assert.deepEqual(got.map((m) => m.body), ["red", "order"]);
  assert.equal(got[0].applicationProperties.seen, "red rule");
  for (const m of got) await r.completeMessage(m);
  await empty(r);

  await rules.deleteRule("red");
  await rules.deleteRule("order");
  await assert.rejects(rules.deleteRule("order"));
  await send("ruled", text("nobody wants me"));
  await empty(r);
  await assert.rejects(rules.createRule("broken", { sqlExpression: "color = = 'x'" }));
});

scenario("scheduled", async () => {
  const sender = client.createSender("later");
  const [, never] = await sender.scheduleMessages([text("comes"), text("never")], new Date(Date.now() + 1000));
  await sender.cancelScheduledMessages(never);
  const r = client.createReceiver("later", "s");
  await takes(r, "comes");
  await empty(r);
});

scenario("dead letters of a subscription", async () => {
  await send("dead-topic", text("a"));
  const r = client.createReceiver("dead-topic", "s");
  await r.deadLetterMessage(await receiveOne(r), { deadLetterReason: "x" });
  const dead = deadLetters("dead-topic", "s");
  assert.equal((await receiveOne(dead)).deadLetterReason, "x");
  assert.deepEqual(await take(client.createReceiver("forwarded"), 1), ["a"]);
});
