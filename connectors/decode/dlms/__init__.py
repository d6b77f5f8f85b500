"""DLMS/COSEM push: IEC 62056-5-3 (application layer), -6-1 (OBIS), -6-2 (objects), -46 (HDLC), -47 (wrapper).

    framing   payload -> APDUs        hdlc, wrapper, mbus_link, block_transfer
    security  APDU in the clear       general ciphering, security suites 0 to 2
    apdu      -> notification         data-notification, event-notification-request
    axdr      -> A-XDR data           clock for date-times, uniform for many rows alike
    lists     -> entries, rows        what each value is of; layouts for lists without OBIS codes or scalers
    telegrams -> Telegram             OBIS codes and units become the catalogue's quantities; profiles for rows

`decoder.decode_dlms` goes all the way.
"""
