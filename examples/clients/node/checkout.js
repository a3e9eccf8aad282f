// Prices carts, reserves what their promotions need, and commits.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

// Of one call, with everything that is tried again inside it.
const DEADLINE_MS = 10_000;

const beside = (path) => fileURLToPath(new URL(path, import.meta.url));

// The schema is read when the program starts. 64-bit numbers are text, since a number of JavaScript can't hold them all.
const schema = grpc.loadPackageDefinition(
  protoLoader.loadSync(["dealwright/v1/evaluation_service.proto", "dealwright/v1/redemption_service.proto"], {
    includeDirs: [beside("../../../proto")],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  }),
).dealwright.v1;

// Takes carts through a till, over one connection that is opened with the first call.
class Checkout {
  constructor(address, token) {
    const local = /^(localhost|127\.[\d.]+|\[::1\]):\d+$/.test(address);
    const credentials = local ? grpc.credentials.createInsecure() : grpc.credentials.createSsl();
    const options = { "grpc.service_config": readFileSync(beside("../service_config.json"), "utf8") };
    this.evaluation = new schema.EvaluationService(address, credentials, options);
    this.redemptions = new schema.RedemptionService(address, credentials, {
      ...options,
      channelOverride: this.evaluation.getChannel(),
    });
    this.metadata = new grpc.Metadata();
    this.metadata.set("authorization", `Bearer ${token}`);
  }

  async sell(till, request) {
    const { result } = await this.call(this.evaluation, "Evaluate", request);
    // An order has one reservation, so its keys follow from it: a checkout that lost an answer, or was started again,
    // sends the same keys, and is answered what was answered the first time.
    const order = `${till}-${request.cart.id}`;
    const reserved = await this.call(this.redemptions, "Reserve", {
      idempotency_key: `${order}/reserve`,
      order_id: order,
      cart: request.cart,
    });
    const { redemption } = await this.call(this.redemptions, "Commit", {
      idempotency_key: `${order}/commit`,
      redemption_id: reserved.redemption.redemption_id,
    });
    return {
      cart: request.cart.id,
      payable_minor: result.totals.payable_minor,
      discount_minor: result.totals.discount_minor,
      promotions: result.applications.map((applied) => applied.promotion_id),
      redemption_id: redemption.redemption_id,
      state: redemption.state,
      paid_minor: redemption.payable_minor,
    };
  }

  call(client, method, request) {
    const call = promisify(client[method]).bind(client);
    return call(request, this.metadata, { deadline: Date.now() + DEADLINE_MS });
  }

  close() {
    this.evaluation.close();
  }
}

// A request from JSON as the schema has it; the loader knows everything of it but instants.
function readRequest(path) {
  const request = JSON.parse(readFileSync(path, "utf8"));
  if (request.evaluate_time) {
    const milliseconds = Date.parse(request.evaluate_time);
    request.evaluate_time = { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1e6 };
  }
  return request;
}

const [till, ...carts] = process.argv.slice(2);
if (carts.length === 0) {
  console.error("usage: node checkout.js TILL CART.json...");
  process.exit(2);
}
const checkout = new Checkout(process.env.DEALWRIGHT_ADDRESS, process.env.DEALWRIGHT_TOKEN);
try {
  for (const path of carts) {
    console.log(JSON.stringify(await checkout.sell(till, readRequest(path))));
  }
} finally {
  checkout.close();
}
