package bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * Avro in Confluent's wire format for generated classes, as Confluent's SpecificAvroSerde does it. That one is in no
 * public Maven repository but Confluent's, and asks a registry; this one skips the id, and reuses its decoder.
 */
final class Wire {
    static final int MEAN_ID = 1_002;
    private static final int HEADER = 5;

    private Wire() {}

    /** Reads records of one schema id; others, such as beats among blocks, are null. */
    static <T extends SpecificRecord> Serde<T> serde(Class<T> type, int id) {
        var schema = SpecificData.get().getSchema(type);
        var reader = new SpecificDatumReader<T>(schema);
        var writer = new SpecificDatumWriter<T>(schema);
        var header = ByteBuffer.allocate(HEADER).put((byte) 0).putInt(id).array();
        var decoder = new BinaryDecoder[1];
        var encoder = new BinaryEncoder[1];
        return Serdes.serdeFrom(
            (topic, record) -> {
                var out = new ByteArrayOutputStream(128);
                try {
                    out.write(header);
                    encoder[0] = EncoderFactory.get().directBinaryEncoder(out, encoder[0]);
                    writer.write(record, encoder[0]);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
                return out.toByteArray();
            },
            (topic, payload) -> {
                if (payload == null || ByteBuffer.wrap(payload).getInt(1) != id) {
                    return null;
                }
                try {
                    decoder[0] = DecoderFactory.get()
                        .binaryDecoder(payload, HEADER, payload.length - HEADER, decoder[0]);
                    return reader.read(null, decoder[0]);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }
}
