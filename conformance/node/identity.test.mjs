// Tokens in place of keys: the credentials of @azure/identity, unmodified, get them
// from the server and use it with them.
import { ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";
import { ServiceBusClient } from "@azure/service-bus";
import { assert, fails, once, scenario, takes, text } from "./stage.mjs";

const env = process.env;
const bus = "https://servicebus.azure.net/.default";

/** A client with a credential, by TLS at the port that the test was given. */
async function using(credential, play) {
  const client = new ServiceBusClient("localhost", credential, { ...once, customEndpointAddress: `sb://${env.WEIR_AMQPS}` });
  try {
    await play(client);
  } finally {
    await client.close();
  }
}

scenario("the default credential", async () => {
  await using(new DefaultAzureCredential(), async (client) => {
    await client.createSender("by-default").sendMessages(text("a"));
    await takes(client.createReceiver("by-default"), "a");
  });
});

scenario("a managed identity as a virtual machine asks for it", async () => {
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = env;
  delete env.IDENTITY_ENDPOINT;
  delete env.IDENTITY_HEADER;
  try {
    const credential = new ManagedIdentityCredential(env.WEIR_WORKER);
    assert.ok((await credential.getToken(bus)).token);
    await using(new DefaultAzureCredential({ managedIdentityClientId: env.WEIR_WORKER }), async (client) => {
      await client.createSender("of-worker").sendMessages(text("a"));
      await fails(client.createReceiver("of-worker").receiveMessages(1, { maxWaitTimeInMs: 2000 }), "UnauthorizedAccess", "'Listen' claim(s) are required");
      await fails(client.createSender("by-default").sendMessages(text("b")), "UnauthorizedAccess", "'Send' claim(s) are required");
    });
  } finally {
    Object.assign(env, { IDENTITY_ENDPOINT, IDENTITY_HEADER });
  }
});

scenario("an application with a secret", async () => {
  const options = { authorityHost: `https://${env.WEIR_HTTPS}`, disableInstanceDiscovery: true, retryOptions: { maxRetries: 0 } };
  await using(new ClientSecretCredential(env.WEIR_TENANT, env.WEIR_APP, env.WEIR_SECRET, options), async (client) => {
    await client.createSender("of-worker").sendMessages(text("c"));
  });
  const wrong = new ClientSecretCredential(env.WEIR_TENANT, env.WEIR_APP, "x" + env.WEIR_SECRET, options);
  await assert.rejects(wrong.getToken(bus), /AADSTS7000215/);
});
