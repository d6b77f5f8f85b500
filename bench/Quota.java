import java.util.List;
import java.util.Map;
import java.util.Collections;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;

/** Sets how many bytes a second every producer may send, or lifts that: Quota BOOTSTRAP [BYTES]. No Python client can. */
class Quota {
    public static void main(String[] args) throws Exception {
        Double bytes = args.length > 1 ? Double.valueOf(args[1]) : null;
        var everyone = new ClientQuotaEntity(Collections.singletonMap(ClientQuotaEntity.CLIENT_ID, null));
        var change = new ClientQuotaAlteration(everyone, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", bytes)));
        try (var admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            admin.alterClientQuotas(List.of(change)).all().get();
        }
    }
}
