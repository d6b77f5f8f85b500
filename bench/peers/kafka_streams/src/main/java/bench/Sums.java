package bench;

import java.nio.ByteBuffer;
import java.util.List;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What a meter's minute comes to: the aggregate that the state store holds, as plain bytes. */
final class Sums {
    static final int QUANTITIES = 8;

    /** Minutes since the epoch; used with blocks only, where the key of the store is the meter alone. */
    long minute;
    int count;
    final double[] totals = new double[QUANTITIES];

    Sums add(Reading r) {
        count++;
        totals[0] += r.getActiveEnergyImportWh();
        totals[1] += r.getActiveEnergyExportWh();
        totals[2] += r.getActivePowerL1W();
        totals[3] += r.getActivePowerL2W();
        totals[4] += r.getActivePowerL3W();
        totals[5] += r.getVoltageL1V();
        totals[6] += r.getVoltageL2V();
        totals[7] += r.getVoltageL3V();
        return this;
    }

    /** Add one row of a block's values, which stand column after column. */
    void add(List<Double> values, int row, int rows) {
        count++;
        for (int quantity = 0; quantity < QUANTITIES; quantity++) {
            totals[quantity] += values.get(quantity * rows + row);
        }
    }

    void restart(long newMinute) {
        minute = newMinute;
        count = 0;
        java.util.Arrays.fill(totals, 0.0);
    }

    MinuteMean mean(String meter, long start) {
        var t = totals;
        return new MinuteMean(meter, start, t[0] / count, t[1] / count, t[2] / count, t[3] / count, t[4] / count,
            t[5] / count, t[6] / count, t[7] / count);
    }

    static Serde<Sums> serde() {
        return Serdes.serdeFrom(
            (topic, sums) -> {
                if (sums == null) {
                    return null;
                }
                var bytes = ByteBuffer.allocate(Long.BYTES + Integer.BYTES + QUANTITIES * Double.BYTES);
                bytes.putLong(sums.minute).putInt(sums.count);
                for (double total : sums.totals) {
                    bytes.putDouble(total);
                }
                return bytes.array();
            },
            (topic, payload) -> {
                if (payload == null) {
                    return null;
                }
                var bytes = ByteBuffer.wrap(payload);
                var sums = new Sums();
                sums.minute = bytes.getLong();
                sums.count = bytes.getInt();
                for (int quantity = 0; quantity < QUANTITIES; quantity++) {
                    sums.totals[quantity] = bytes.getDouble();
                }
                return sums;
            });
    }
}
