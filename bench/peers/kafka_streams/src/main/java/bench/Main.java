package bench;

import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams, used as its documentation shows: argument 1 is the state store, memory or rocksdb.
 *
 * <p>Records: a windowed aggregation by the DSL, whose updates go out when the record cache is flushed,
 * https://kafka.apache.org/documentation/streams/developer-guide/dsl-api.html#windowing (its final results by `suppress`
 * would cost more). Blocks: the Processor API with a key-value store, since the DSL would send each row of a block
 * through Kafka again, https://kafka.apache.org/documentation/streams/developer-guide/processor-api.html.
 * Tuned by https://kafka.apache.org/documentation/streams/developer-guide/config-streams.html and memory-mgmt.html: a
 * large record cache, so that changelog and output get each window once a commit; large polls, fetches and batches.
 */
public final class Main {
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static final Map<String, String> ENV = System.getenv();
    private static final LongAdder READINGS = new LongAdder();

    private Main() {}

    public static void main(String[] arguments) {
        boolean inMemory = arguments[0].equals("memory");
        var builder = new StreamsBuilder();
        if (ENV.get("BENCH_FORM").equals("records")) {
            records(builder, inMemory);
        } else {
            blocks(builder, inMemory);
        }
        var properties = properties();
        var streams = new KafkaStreams(builder.build(properties), properties);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(3))));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        tell();
        streams.start();
    }

    private static void records(StreamsBuilder builder, boolean inMemory) {
        var readings = Wire.serde(Reading.class, 1_001);
        var retention = MINUTE.multipliedBy(2);
        var store = inMemory
            ? Stores.inMemoryWindowStore("minutes", retention, MINUTE, false)
            : Stores.persistentWindowStore("minutes", retention, MINUTE, false);
        builder
            .stream(ENV.get("BENCH_INPUT"), Consumed.with(Serdes.String(), readings))
            .groupByKey(Grouped.with(Serdes.String(), readings))
            .windowedBy(TimeWindows.ofSizeAndGrace(MINUTE, MINUTE))
            .aggregate(Sums::new, (meter, reading, minute) -> {
                READINGS.increment();
                return minute.add(reading);
            }, Materialized.<String, Sums>as(store)
                .withKeySerde(Serdes.String()).withValueSerde(Sums.serde()).withCachingEnabled())
            .toStream()
            .map((key, minute) -> KeyValue.pair(key.key(), minute.mean(key.key(), key.window().start())))
            .to(ENV.get("BENCH_OUTPUT"), Produced.with(Serdes.String(), Wire.serde(MinuteMean.class, Wire.MEAN_ID)));
    }

    private static void blocks(StreamsBuilder builder, boolean inMemory) {
        var blockId = Integer.parseInt(ENV.get("BENCH_BLOCK_ID"));
        var supplier = inMemory
            ? Stores.inMemoryKeyValueStore("latest")
            : Stores.persistentKeyValueStore("latest");
        builder.addStateStore(
            Stores.keyValueStoreBuilder(supplier, Serdes.String(), Sums.serde()).withCachingEnabled());
        builder
            .stream(ENV.get("BENCH_INPUT"),
                Consumed.with(Serdes.String(), Wire.serde(flexmeter.ReadingBlock.class, blockId)))
            .process(Rows::new, "latest")
            .to(ENV.get("BENCH_OUTPUT"), Produced.with(Serdes.String(), Wire.serde(MinuteMean.class, Wire.MEAN_ID)));
    }

    /** Adds each row of a block to its meter's minute; a new minute sends the one before. */
    private static final class Rows implements Processor<String, flexmeter.ReadingBlock, String, MinuteMean> {
        private ProcessorContext<String, MinuteMean> context;
        private KeyValueStore<String, Sums> latest;

        @Override
        public void init(ProcessorContext<String, MinuteMean> newContext) {
            context = newContext;
            latest = context.getStateStore("latest");
        }

        @Override
        public void process(Record<String, flexmeter.ReadingBlock> message) {
            var block = message.value();
            if (block == null) {
                return;
            }
            int rows = block.getAt().size();
            for (int row = 0; row < rows; row++) {
                var meter = block.getMeters().get(block.getRowMeter().get(row));
                long minute = block.getAt().get(row) / MINUTE.toMillis();
                var sums = latest.get(meter);
                if (sums == null) {
                    sums = new Sums();
                }
                if (sums.minute != minute) {
                    if (sums.count > 0) {
                        var start = sums.minute * MINUTE.toMillis();
                        context.forward(new Record<>(meter, sums.mean(meter, start), start));
                    }
                    sums.restart(minute);
                }
                sums.add(block.getValues(), row, rows);
                latest.put(meter, sums);
            }
            READINGS.add(rows);
        }
    }

    private static Properties properties() {
        var properties = new Properties();
        properties.putAll(Map.of(
            StreamsConfig.APPLICATION_ID_CONFIG, ENV.get("BENCH_NAME"),
            StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, ENV.get("BENCH_BOOTSTRAP"),
            StreamsConfig.STATE_DIR_CONFIG, ENV.get("BENCH_FOLDER"),
            StreamsConfig.REPLICATION_FACTOR_CONFIG, 1,
            StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1,
            StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20,
            StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Math.round(1_000 * Double.parseDouble(ENV.get("BENCH_SAVE_S"))),
            StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE));
        properties.putAll(Map.of(
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000,
            ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20,
            ProducerConfig.LINGER_MS_CONFIG, 100,
            ProducerConfig.BATCH_SIZE_CONFIG, 512 << 10,
            ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4"));
        return properties;
    }

    /** As bench/peers/told.py tells. */
    private static void tell() {
        var teller = new Thread(() -> {
            while (true) {
                var cpu = ProcessHandle.current().info().totalCpuDuration().orElseThrow();
                System.out.println(String.format(Locale.ROOT, "{\"readings\": %d, \"cpu_s\": %.3f, \"at_s\": %.3f}",
                    READINGS.sum(), cpu.toNanos() / 1e9, System.nanoTime() / 1e9));
                try {
                    Thread.sleep(500);
                } catch (InterruptedException stopped) {
                    return;
                }
            }
        });
        teller.setDaemon(true);
        teller.start();
    }
}
