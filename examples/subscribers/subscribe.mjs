// A subscriber of the alerts in JavaScript: prints each alert of an area once, with its newest version.
//
//   npm ci
//   KAFKA_BOOTSTRAP=127.0.0.1:9092 node subscribe.mjs ms-1
//
// kafkajs reads gzip only; workers write zstd, tests and bridges lz4, so both are told to it.
import { decompress } from "fzstd";
import kafkajs from "kafkajs";
import lz4 from "lz4js";

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
const reader = (read) => () => ({
  compress: async () => { throw new Error("a subscriber writes nothing"); },
  decompress: async (bytes) => Buffer.from(read(bytes)),
});
CompressionCodecs[CompressionTypes.ZSTD] = reader(decompress);
CompressionCodecs[CompressionTypes.LZ4] = reader(lz4.decompress);

const area = process.argv[2] ?? "";
const newest = new Map(); // alert id -> its highest number

function handle(alert) {
  if (alert.number <= (newest.get(alert.id) ?? 0)) return; // alerts come at least once
  newest.set(alert.id, alert.number);
  console.log(alert.state, alert.severity, alert.id, alert.number, alert.summary);
}

const kafka = new Kafka({
  clientId: "example-javascript",
  brokers: (process.env.KAFKA_BOOTSTRAP ?? "127.0.0.1:9092").split(","),
  logLevel: logLevel.WARN,
});
const consumer = kafka.consumer({ groupId: process.env.GROUP ?? "example-javascript" });
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.disconnect().then(() => process.exit()));
await consumer.connect();
await consumer.subscribe({ topics: [process.env.TOPIC ?? "alerts"], fromBeginning: true });
await consumer.run({
  // Returns when the alert is handled; its offset is committed after that.
  eachMessage: async ({ message }) => {
    const where = message.headers.ce_area?.toString() ?? "";
    if (area === "" || where === area || where.startsWith(`${area}/`)) handle(JSON.parse(message.value));
  },
});
