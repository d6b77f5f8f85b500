"""M-Bus, wired (EN 13757-2, -3) and wireless (EN 13757-4, -7; OMS volume 2).

wired_link, wireless_link   frames, checksums, CRCs                    EN 13757-2, -4
extended_link               ELL: access number, counter-mode cipher    EN 13757-4, 13.2
authentication              AFL: message counter, MAC, fragments       EN 13757-7, 6
transport, status           headers, configuration field, status byte  EN 13757-7, 7
security                    modes 5 and 7, key derivation              EN 13757-7, 9
records, blocks, values     records, DIF and VIF, codings              EN 13757-3, 6 and annex A
profiles                    several values in one record               EN 13757-3, annex F
value_codes, quantities     tables of VIF codes; the catalogue's names EN 13757-3, tables 10 to 18
fixed_data                  the old fixed structure of wired meters    EN 1434-3:1997
compact                     values without their blocks                EN 13757-3, annex G
application                 all of them, one after another

Not read, and rejected as unsupported with their name: manufacturers' own messages, DLMS, alarms and application errors,
compact frames whose format nobody has shown, messages in several fragments, security modes but 0, 5 and 7. Kept as
bytes with their name: manufacturers' own records and data, profiles of increments, containers.
"""

from connectors.decode.mbus.application import decode_mbus, decode_wmbus
from connectors.decode.mbus.wireless_link import Framing

__all__ = ["Framing", "decode_mbus", "decode_wmbus"]
