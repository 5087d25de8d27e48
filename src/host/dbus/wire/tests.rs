use super::*;

/// An answer to call 7 with an array of one struct `(so)`, in big endian.
fn answer() -> Vec<u8> {
    let mut bytes = vec![b'B', METHOD_RETURN, 1, 1];
    let body = [&20u32.to_be_bytes()[..], &[0; 4], &5u32.to_be_bytes(), b"seat0\0\0\0", b"\0\0\0\x02/a\0"];
    let body = body.concat();
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(3u32.to_be_bytes());
    let fields = [&b"\x05\x01u\0\0\0\0\x07"[..], b"\x08\x01g\0\x05a(so)\0"].concat();
    bytes.extend((fields.len() as u32).to_be_bytes());
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    bytes
}

fn rows(bytes: &[u8]) -> Result<Vec<[Value<'_>; 2]>, BusError> {
    Message::read(bytes)?.body.rows(b"so")?.collect()
}

#[test]
fn an_array_of_structs() {
    let mut bytes = answer();
    let length = message_length(bytes.first_chunk().unwrap()).unwrap();
    assert_eq!(length, bytes.len());
    let message = Message::read(&bytes).unwrap();
    assert_eq!((message.kind, message.reply_to), (METHOD_RETURN, Some(7)));
    // The array says 20 bytes and 19 are there.
    assert!(message.body.rows(b"so").is_err());
    assert!(message.body.rows(b"ss").is_err() && message.body.property().is_err());
    let array = bytes.len() - 27;
    bytes[array + 3] = 19;
    assert_eq!(rows(&bytes).unwrap(), [[Value::Text(b"seat0"), Value::Text(b"/a")]]);
    bytes[array + 3] = 0;
    assert_eq!(rows(&bytes).unwrap(), Vec::<[Value<'_>; 2]>::new());
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    let mut bytes = answer();
    let array = bytes.len() - 27;
    bytes[array + 3] = 19;
    for end in 0..bytes.len() {
        assert!(rows(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = byte;
            drop(message_length(changed.first_chunk().unwrap()));
            drop(rows(&changed));
        }
    }
}

#[test]
fn calls_can_be_read_again() {
    let mut out = b"odd".to_vec();
    Call::property("org.x", b"/a/b", "org.x.Thing", "Size").write(9, &mut out);
    let message = out.get(3..).unwrap();
    assert_eq!(message_length(message.first_chunk().unwrap()).unwrap(), message.len());
    let body = Message::read(message).unwrap().body;
    assert_eq!((body.signature, body.text()), (&b"ss"[..], Some(&b"org.x.Thing"[..])));
    assert!(message.ends_with(b"\x04\0\0\0Size\0"));
}

#[test]
fn values_of_all_types() {
    let property = |bytes: &[u8]| {
        let value = Body { bytes, signature: b"v", big_endian: false }.property();
        value.map(|value| format!("{value:?}")).map_err(|error| error.to_string())
    };
    for (bytes, want) in [
        (&b"\x01y\0\xff"[..], "Number(255)"),
        (b"\x01q\0\0\x01\x02", "Number(513)"),
        (b"\x01u\0\0\xff\xff\xff\xff", "Number(4294967295)"),
        (b"\x01t\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "Number(18446744073709551615)"),
        (b"\x01b\0\0\x01\0\0\0", "Bool(true)"),
        (b"\x01g\0\x02ss\0", "Text([115, 115])"),
    ] {
        assert_eq!(property(bytes).unwrap(), want);
    }
    for bytes in [&b"\x01b\0\0\x02\0\0\0"[..], b"\x02as\0\0\0\0\0", b"\x01d\0", b"\0\0"] {
        property(bytes).unwrap_err();
    }
}
