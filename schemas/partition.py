"""Which partition a meter or a substation belongs to.

Java Kafka's default partitioner on the UTF-8 bytes of the key: murmur2, seed 0x9747b28c, sign bit cleared, modulo
the number of partitions (org.apache.kafka.common.utils.Utils.murmur2). librdkafka calls the same `murmur2_random`.
"""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, as Kafka's Java client computes it.

    >>> murmur2(b"21"), murmur2(b"foobar")
    (3321034988, 3504634814)
    """
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if length & 3:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_of(key: str, partitions: int) -> int:
    """The partition of a meter id or substation id.

    >>> partition_of("21", 1_000)
    340
    """
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
