// Doors and keys: TLS, WebSockets, claims.
import { createHmac } from "node:crypto";
import WebSocket from "ws";
import { assert, client, dial, fails, once, receiveOne, scenario, takes, text } from "./stage.mjs";

const env = process.env;
const rule = (endpoint, name, key, more = "") => `Endpoint=sb://${endpoint}/;SharedAccessKeyName=${name};SharedAccessKey=${key}${more}`;

for (const [name, connection, options] of [
  ["AMQP over TLS", rule(env.WEIR_AMQPS, "All", env.WEIR_ALL_KEY), {}],
  ["AMQP over WebSockets", rule(env.WEIR_HTTPS, "All", env.WEIR_ALL_KEY), { webSocketOptions: { webSocket: WebSocket } }],
]) {
  scenario(name, async () => {
    const secure = dial(connection, options);
    const body = Buffer.alloc(100_000, name);
    await secure.createSender("behind-doors").sendMessages({ body });
    const r = secure.createReceiver("behind-doors");
    const m = await receiveOne(r);
    assert.ok(body.equals(m.body));
    await r.completeMessage(m);
  });
}

const emulated = ";UseDevelopmentEmulator=true";
const as = (name, key) => dial(rule(env.WEIR_AMQP, name, key, emulated), once);

scenario("claims", async () => {
  const sender = as("SendOnly", env.WEIR_SEND_KEY);
  await sender.createSender("claims").sendMessages(text("a"));
  await fails(sender.createReceiver("claims").receiveMessages(1, { maxWaitTimeInMs: 2000 }), "UnauthorizedAccess", "'Listen' claim(s) are required");
  const listener = as("ListenOnly", env.WEIR_LISTEN_KEY);
  await fails(listener.createSender("claims").sendMessages(text("b")), "UnauthorizedAccess", "'Send' claim(s) are required");
  await takes(listener.createReceiver("claims"), "a");
});

scenario("wrong keys", async () => {
  await fails(as("All", "wrong").createSender("claims").sendMessages(text("x")), "UnauthorizedAccess");
  await fails(as("Nobody", env.WEIR_ALL_KEY).createSender("claims").sendMessages(text("x")), "UnauthorizedAccess");
});

scenario("ready-made tokens", async () => {
  const token = (expires) => {
    const sr = encodeURIComponent(`sb://${env.WEIR_AMQP}/`);
    const se = Math.floor(expires / 1000);
    const sig = encodeURIComponent(createHmac("sha256", env.WEIR_ALL_KEY).update(`${sr}\n${se}`).digest("base64"));
    return `Endpoint=sb://${env.WEIR_AMQP}/;SharedAccessSignature=SharedAccessSignature sr=${sr}&sig=${sig}&se=${se}&skn=All${emulated}`;
  };
  await dial(token(Date.now() + 3_600_000), once).createSender("tokens").sendMessages(text("good"));
  await takes(client.createReceiver("tokens"), "good");
  await fails(dial(token(Date.now() - 3_600_000), once).createSender("tokens").sendMessages(text("late")), "UnauthorizedAccess", "ExpiredToken");
});
