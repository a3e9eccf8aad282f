// json-rules-engine as its users would use it: one rule for each promotion, one run for each cart.
// Speaks as answering.py does. Its packages lie in the folder that it is started in.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";

const { Engine } = createRequire(path.join(process.cwd(), "package.json"))("json-rules-engine");

function engineOf(rules) {
  const engine = new Engine();
  for (const rule of rules) {
    const all = [
      { fact: "subtotal", operator: "greaterThanInclusive", value: rule.minimum },
      { fact: "targets", operator: "contains", value: rule.target },
      ...(rule.stores.length ? [{ fact: "store", operator: "in", value: rule.stores }] : []),
      { fact: "hour", operator: "greaterThanInclusive", value: rule.start },
      { fact: "hour", operator: "lessThan", value: rule.stop },
      { fact: "tier", operator: "in", value: rule.tiers },
    ];
    engine.addRule({ conditions: { all }, event: { type: "promotion", params: rule } });
  }
  return engine;
}

async function evaluate(engine, bill) {
  let subtotal = 0;
  const targets = new Set();
  for (const [product, category, quantity, price] of bill.lines) {
    subtotal += quantity * price;
    targets.add(product);
    targets.add(category);
  }
  const facts = { subtotal, targets: [...targets], store: bill.store, hour: bill.hour, tier: bill.tier };
  const { events } = await engine.run(facts);
  return events.map(({ params: rule }) => [
    rule.id,
    rule.percent ? Math.floor((subtotal * rule.value) / 100) : Math.min(rule.value, subtotal),
  ]);
}

let engine;
let bills = [];
for await (const line of readline.createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.load) {
    const begin = performance.now();
    engine = engineOf(asked.load.rules);
    const loading = performance.now() - begin;
    bills = asked.load.bills;
    const answers = [];
    for (const bill of bills) answers.push(await evaluate(engine, bill));
    console.log(JSON.stringify({ loading_ms: loading, answers }));
  } else {
    const micros = [];
    for (const bill of bills) {
      const begin = process.hrtime.bigint();
      await evaluate(engine, bill);
      micros.push(Number(process.hrtime.bigint() - begin) / 1e3);
    }
    console.log(JSON.stringify({ micros }));
  }
}
