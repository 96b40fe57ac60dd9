// The management client for JavaScript: what it calls, in the order of an estate's
// life, with the administration token as its credential.
import { assert, scenario } from "./stage.mjs";
import { ServiceBusManagementClient } from "@azure/arm-servicebus";

const credential = { getToken: async () => ({ token: process.env.WEIR_TOKEN, expiresOnTimestamp: Date.now() + 3_600_000 }) };
const client = new ServiceBusManagementClient(credential, "contoso", {
  endpoint: `https://${process.env.WEIR_HTTPS}`,
  retryOptions: { maxRetries: 0 },
});
const group = "shop";
const ns = "shop-from-js";

async function names(pages) {
  const all = [];
  for await (const one of pages) all.push(one.name);
  return all.join(" ");
}

/** Checks that work is refused with a status and a code, in words that hold a text. */
async function refused(work, status, code, words) {
  await assert.rejects(work, (err) => {
    assert.equal(err.statusCode, status, err.message);
    assert.equal(err.code, code);
    assert.ok(err.message.includes(words), `refused with "${err.message}", want the words "${words}"`);
    return true;
  });
}

scenario("a namespace is made, read, changed and listed", async () => {
  assert.equal((await client.namespaces.checkNameAvailability({ name: ns })).nameAvailable, true);
  const made = await client.namespaces.beginCreateOrUpdateAndWait(group, ns, { location: "west", sku: { name: "Standard", tier: "Standard" }, tags: { env: "test" } });
  assert.equal(made.provisioningState, "Succeeded");
  assert.equal(made.status, "Active");
  assert.ok(made.createdAt instanceof Date && made.serviceBusEndpoint.startsWith("https://"));
  const taken = await client.namespaces.checkNameAvailability({ name: ns });
  assert.deepEqual([taken.nameAvailable, taken.reason], [false, "NameInUse"]);
  assert.deepEqual((await client.namespaces.update(group, ns, { tags: { env: "prod" } })).tags, { env: "prod" });
  assert.equal((await client.namespaces.get(group, ns)).location, "west");
  assert.equal(await names(client.namespaces.list()), ns);
  assert.equal(await names(client.namespaces.listByResourceGroup(group)), ns);
});

scenario("queues, topics, subscriptions and rules", async () => {
  const queue = await client.queues.createOrUpdate(group, ns, "orders", { lockDuration: "PT30S", maxDeliveryCount: 7, requiresSession: true });
  assert.deepEqual([queue.lockDuration, queue.maxDeliveryCount, queue.requiresSession, queue.status], ["PT30S", 7, true, "Active"]);
  assert.equal((await client.queues.get(group, ns, "orders")).countDetails.activeMessageCount, 0);
  for (const name of ["a", "b", "c"]) await client.queues.createOrUpdate(group, ns, name, {});
  assert.equal(await names(client.queues.listByNamespace(group, ns, { top: 2 })), "a b c orders");
  await client.queues.delete(group, ns, "c");
  await client.topics.createOrUpdate(group, ns, "news", {});
  const subscription = await client.subscriptions.createOrUpdate(group, ns, "news", "all", { forwardDeadLetteredMessagesTo: "a" });
  assert.equal(subscription.forwardDeadLetteredMessagesTo, "a");
  const rule = await client.rules.createOrUpdate(group, ns, "news", "all", "big", { filterType: "SqlFilter", sqlFilter: { sqlExpression: "size > 5" } });
  assert.equal(rule.sqlFilter.sqlExpression, "size > 5");
  assert.equal(await names(client.rules.listBySubscriptions(group, ns, "news", "all")), "$Default big");
  assert.equal((await client.topics.get(group, ns, "news")).subscriptionCount, 1);
  assert.equal(await names(client.subscriptions.listByTopic(group, ns, "news")), "all");
});

scenario("keys are listed and made anew", async () => {
  await client.queues.createOrUpdateAuthorizationRule(group, ns, "orders", "sender", { rights: ["Send"] });
  assert.ok((await client.queues.listKeys(group, ns, "orders", "sender")).primaryConnectionString.includes("EntityPath=orders"));
  const before = await client.namespaces.listKeys(group, ns, "RootManageSharedAccessKey");
  const after = await client.namespaces.regenerateKeys(group, ns, "RootManageSharedAccessKey", { keyType: "SecondaryKey" });
  assert.equal(after.primaryKey, before.primaryKey);
  assert.notEqual(after.secondaryKey, before.secondaryKey);
  assert.equal(await names(client.namespaces.listAuthorizationRules(group, ns)), "RootManageSharedAccessKey");
});

scenario("from where a namespace is reached", async () => {
  assert.equal((await client.namespaces.getNetworkRuleSet(group, ns)).defaultAction, "Allow");
  const set = await client.namespaces.createOrUpdateNetworkRuleSet(group, ns, { defaultAction: "Allow", ipRules: [{ ipMask: "10.0.0.0/8", action: "Allow" }] });
  assert.equal(set.ipRules[0].ipMask, "10.0.0.0/8");
});

scenario("refusals say what is wrong", async () => {
  await refused(client.queues.get(group, ns, "nowhere"), 404, "ResourceNotFound", "was not found");
  await refused(client.queues.createOrUpdate("none", "nothing", "q", {}), 404, "ParentResourceNotFound", "declare it first");
  await refused(client.queues.createOrUpdate(group, ns, "bad", { lockDuration: "PT1H" }), 400, "BadRequest", "must be at most PT5M");
  await refused(client.disasterRecoveryConfigs.createOrUpdate(group, ns, "alias", {}), 501, "NotImplemented", "Weir.Continuity/groups");
  const stranger = new ServiceBusManagementClient({ getToken: async () => ({ token: "guess", expiresOnTimestamp: Date.now() + 3_600_000 }) }, "contoso", { endpoint: `https://${process.env.WEIR_HTTPS}`, retryOptions: { maxRetries: 0 } });
  await assert.rejects(stranger.namespaces.get(group, ns), (err) => err.statusCode === 401);
});

scenario("a namespace is deleted", async () => {
  await client.namespaces.beginDeleteAndWait(group, ns);
  await refused(client.namespaces.get(group, ns), 404, "ResourceGroupNotFound", "could not be found");
});
