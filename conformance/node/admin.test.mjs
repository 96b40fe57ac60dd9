// The administration client: it speaks HTTPS to whatever port the connection string names.
import { ServiceBusAdministrationClient } from "@azure/service-bus";
import { assert, client, fails, receiveOne, scenario, takes, text } from "./stage.mjs";

const env = process.env;
const at = env.WEIR_AMQP.replace("127.0.0.1", "localhost");
const endpoint = `sb://${at}`;
const rule = (name, key) => `Endpoint=${endpoint};SharedAccessKeyName=${name};SharedAccessKey=${key}`;
const admin = new ServiceBusAdministrationClient(rule("All", env.WEIR_ALL_KEY));
const address = (name) => `${endpoint}/${name}`;

/** Picks from what is told what was asked for. */
const picked = (told, asked) => Object.fromEntries(Object.keys(asked).map((key) => [key, told[key]]));

async function all(pages) {
  const names = [];
  for await (const one of pages) names.push(one.name ?? one.subscriptionName);
  return names;
}

scenario("the emulator's connection string is good for the administration client too", async () => {
  const emulated = new ServiceBusAdministrationClient(env.WEIR_CONNECTION.replace("127.0.0.1", "localhost"));
  assert.equal((await emulated.getNamespaceProperties()).messagingSku, "Standard");
});

scenario("a namespace tells what it is", async () => {
  const ns = await admin.getNamespaceProperties();
  assert.equal(ns.name, "sbemulatorns");
  assert.equal(ns.messagingSku, "Standard");
  assert.ok(ns.createdAt instanceof Date && !Number.isNaN(ns.createdAt.getTime()));
});

scenario("every property of a queue comes back", async () => {
  await admin.createQueue("target");
  const asked = {
    lockDuration: "PT45S",
    maxSizeInMegabytes: 2048,
    requiresDuplicateDetection: true,
    requiresSession: false,
    defaultMessageTimeToLive: "P2D",
    deadLetteringOnMessageExpiration: true,
    duplicateDetectionHistoryTimeWindow: "PT1M",
    maxDeliveryCount: 8,
    enableBatchedOperations: false,
    status: "ReceiveDisabled",
    userMetadata: `some <text> & "more"`,
    autoDeleteOnIdle: "PT1H",
    enablePartitioning: false,
    enableExpress: true,
    authorizationRules: [{ accessRights: ["Send", "Listen"], keyName: "both", primaryKey: "primary-key-of-both", secondaryKey: "secondary-key-of-both", claimType: "SharedAccessKey" }],
  };
  const made = await admin.createQueue("full", { ...asked, forwardDeadLetteredMessagesTo: "target" });
  assert.deepEqual(picked(made, asked), asked);
  assert.equal(made.forwardDeadLetteredMessagesTo, address("target"));
  assert.equal(made.availabilityStatus, "Available");
  const read = await admin.getQueue("full");
  assert.deepEqual(picked(read, asked), asked);
  read.maxDeliveryCount = 9;
  read.status = "Active";
  const updated = await admin.updateQueue(read);
  assert.deepEqual(picked(updated, asked), { ...asked, maxDeliveryCount: 9, status: "Active" });
  assert.ok(await admin.queueExists("full"));
  await admin.deleteQueue("full");
  assert.ok(!(await admin.queueExists("full")));
});

scenario("a queue can be used as soon as it is made, and tells what it holds", async () => {
  await admin.createQueue("quick");
  await client.createSender("quick").sendMessages([text("a"), text("b")]);
  const told = await admin.getQueueRuntimeProperties("quick");
  assert.equal(told.activeMessageCount, 2);
  assert.equal(told.totalMessageCount, 2);
  assert.ok(told.sizeInBytes > 0);
  assert.ok(told.createdAt <= told.modifiedAt);
  await takes(client.createReceiver("quick"), "a", "b");
});

scenario("a change reaches receivers that are open", async () => {
  await admin.createQueue("changing");
  const receiver = client.createReceiver("changing");
  await client.createSender("changing").sendMessages(text("before"));
  await receiver.completeMessage(await receiveOne(receiver));
  const queue = await admin.getQueue("changing");
  await admin.updateQueue({ ...queue, lockDuration: "PT5S" });
  await client.createSender("changing").sendMessages(text("after"));
  const m = await receiveOne(receiver);
  const held = m.lockedUntilUtc.getTime() - Date.now();
  assert.ok(held < 10_000, `the lock is held for ${held} ms`);
});

scenario("topics, subscriptions and rules", async () => {
  const topic = await admin.createTopic("news", { userMetadata: "t", supportOrdering: false, defaultMessageTimeToLive: "PT1H" });
  assert.deepEqual([topic.name, topic.userMetadata, topic.supportOrdering, topic.defaultMessageTimeToLive], ["news", "t", false, "PT1H"]);
  const sub = await admin.createSubscription("news", "red", {
    maxDeliveryCount: 4,
    forwardTo: "target",
    defaultRuleOptions: { name: "only", filter: { sqlExpression: "color = @c", sqlParameters: { "@c": "red" } }, action: { sqlExpression: "SET seen = 1" } },
  });
  assert.deepEqual([sub.topicName, sub.subscriptionName, sub.maxDeliveryCount, sub.forwardTo], ["news", "red", 4, address("target")]);
  assert.deepEqual(await all(admin.listRules("news", "red")), ["only"]);
  const only = await admin.getRule("news", "red", "only");
  assert.deepEqual(only.filter, { sqlExpression: "color = @c", sqlParameters: { "@c": "red" } });
  assert.equal(only.action.sqlExpression, "SET seen = 1");

  await admin.createSubscription("news", "plain");
  assert.deepEqual((await admin.getRule("news", "plain", "$Default")).filter, { sqlExpression: "1=1", sqlParameters: undefined });
  const when = new Date(Date.UTC(2020, 1, 2, 3, 4, 5));
  const properties = { text: "t", number: 5, fraction: 1.5, yes: true, when };
  await admin.createRule("news", "plain", "correlated", { correlationId: "c", subject: "s", applicationProperties: properties });
  const rule = await admin.getRule("news", "plain", "correlated");
  assert.equal(rule.filter.correlationId, "c");
  assert.equal(rule.filter.subject, "s");
  assert.deepEqual(rule.filter.applicationProperties, properties);
  await admin.updateRule("news", "plain", { ...rule, filter: { correlationId: "d" } });
  assert.equal((await admin.getRule("news", "plain", "correlated")).filter.correlationId, "d");
  await admin.deleteRule("news", "plain", "correlated");
  assert.ok(!(await admin.ruleExists("news", "plain", "correlated")));

  const told = await admin.getTopicRuntimeProperties("news");
  assert.equal(told.subscriptionCount, 2);
  await client.createSender("news").sendMessages([{ ...text("r"), applicationProperties: { color: "red" } }]);
  assert.equal((await admin.getSubscriptionRuntimeProperties("news", "plain")).activeMessageCount, 1);
  await takes(client.createReceiver("target"), "r");
  await admin.deleteSubscription("news", "red");
  assert.ok(!(await admin.subscriptionExists("news", "red")));
  await admin.deleteTopic("news");
  assert.ok(!(await admin.topicExists("news")));
});

scenario("lists come in pages", async () => {
  await admin.createTopic("paged");
  const want = [];
  for (let i = 0; i < 5; i++) {
    want.push(`s${i}`);
    await admin.createSubscription("paged", `s${i}`);
  }
  const sizes = [];
  const got = [];
  for await (const page of admin.listSubscriptions("paged").byPage({ maxPageSize: 2 })) {
    sizes.push(page.length);
    got.push(...page.map((s) => s.subscriptionName));
  }
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(got, want);
  assert.ok((await all(admin.listTopics())).includes("paged"));
  assert.ok((await all(admin.listQueues())).includes("listed"));
  assert.ok((await all(admin.listQueuesRuntimeProperties())).includes("listed"));
});

scenario("names with slashes", async () => {
  await admin.createQueue("eu/west/orders");
  assert.equal((await admin.getQueue("eu/west/orders")).name, "eu/west/orders");
  await admin.deleteQueue("eu/west/orders");
});

scenario("what is refused has the SDK's codes", async () => {
  await fails(admin.createQueue("listed"), "MessageEntityAlreadyExistsError");
  await fails(admin.getQueue("nowhere"), "MessageEntityNotFoundError");
  await fails(admin.deleteQueue("nowhere"), "MessageEntityNotFoundError");
  const queue = await admin.getQueue("listed");
  await fails(admin.updateQueue({ ...queue, name: "nowhere" }), "MessageEntityNotFoundError");
  await fails(admin.updateQueue({ ...queue, requiresSession: true }), "ServiceError", "RequiresSession property of an existing Queue cannot be changed");
  await fails(admin.createQueue("bad", { lockDuration: "PT1H" }), "ServiceError", "lockDuration");
  const listener = new ServiceBusAdministrationClient(rule("ListenOnly", env.WEIR_LISTEN_KEY));
  await fails(listener.getQueue("listed"), "UnauthorizedRequestError", "Manage,EntityRead claims required");
  await fails(listener.createQueue("mine"), "UnauthorizedRequestError", "Manage,EntityWrite");
  await fails(new ServiceBusAdministrationClient(rule("All", "wrong")).getQueue("listed"), "UnauthorizedRequestError", "InvalidSignature");
});
