//! Messages: writing method calls and reading their answers (D-Bus specification, "Type System", "Marshaling" and
//! "Message Protocol").

#[cfg(test)]
mod tests;

use super::BusError;

pub(super) const METHOD_RETURN: u8 = 2;
pub(super) const ERROR: u8 = 3;

/// What a message has before its header fields: byte order, type, flags, version, length of the body, serial number,
/// length of the fields.
pub(super) const FIXED_BYTES: usize = 16;
/// The specification allows 128 MiB. What is asked for here is far smaller.
const MOST_BYTES: usize = 16 * 1024 * 1024;

const TOO_SHORT: BusError = BusError::Malformed("a message ends too early");

/// A call of a method that takes nothing, or of `Get` with an interface and the name of its property.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    destination: &'c str,
    path: &'c [u8],
    interface: &'c str,
    method: &'c str,
    arguments: Option<[&'c str; 2]>,
}

impl<'c> Call<'c> {
    /// The call of `interface.method` of the object at `path`, which belongs to `destination`.
    pub fn method(destination: &'c str, path: &'c [u8], interface: &'c str, method: &'c str) -> Self {
        Self { destination, path, interface, method, arguments: None }
    }

    /// The call that asks the object at `path` for a property. The answer is [`Body::property`].
    pub fn property(destination: &'c str, path: &'c [u8], interface: &'c str, name: &'c str) -> Self {
        let arguments = Some([interface, name]);
        Self { destination, path, interface: "org.freedesktop.DBus.Properties", method: "Get", arguments }
    }

    /// Appends the message.
    pub(super) fn write(&self, serial: u32, out: &mut Vec<u8>) {
        const METHOD_CALL: u8 = 1;
        const NO_AUTO_START: u8 = 2; // a scrape starts no service
        let mut message = Writer { start: out.len(), out };
        message.out.extend_from_slice(&[b'l', METHOD_CALL, NO_AUTO_START, 1]);
        message.number(0); // the body's length, known below
        message.number(serial);
        message.number(0); // the fields' length
        message.field(1, b'o', self.path);
        message.field(2, b's', self.interface.as_bytes());
        message.field(3, b's', self.method.as_bytes());
        message.field(6, b's', self.destination.as_bytes());
        if self.arguments.is_some() {
            message.field(8, b'g', b"ss");
        }
        message.length_at(12, FIXED_BYTES);
        message.align(8);
        let body = message.out.len() - message.start;
        for argument in self.arguments.iter().flatten() {
            message.text(argument.as_bytes());
        }
        message.length_at(4, body);
    }
}

/// Writes in the byte order that the message's first byte announces, little endian.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl Writer<'_> {
    fn align(&mut self, to: usize) {
        let length = self.out.len() - self.start;
        self.out.resize(self.start + length.next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u32);
        self.out.extend_from_slice(text);
        self.out.push(0);
    }

    fn field(&mut self, code: u8, kind: u8, value: &[u8]) {
        self.align(8);
        self.out.extend_from_slice(&[code, 1, kind, 0]);
        if kind == b'g' {
            self.out.push(value.len() as u8);
            self.out.extend_from_slice(value);
            self.out.push(0);
        } else {
            self.text(value);
        }
    }

    /// Stores at offset `at` how much has been written since offset `from`.
    fn length_at(&mut self, at: usize, from: usize) {
        let length = (self.out.len() - self.start - from) as u32;
        for (place, byte) in self.out.iter_mut().skip(self.start + at).zip(length.to_le_bytes()) {
            *place = byte;
        }
    }
}

/// A value of a basic type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'m> {
    /// A string, an object path or a signature.
    Text(&'m [u8]),
    /// An unsigned number of any width.
    Number(u64),
    /// A boolean.
    Bool(bool),
}

/// A whole message as far as it matters to who has asked.
#[derive(Debug)]
pub(super) struct Message<'m> {
    pub(super) kind: u8,
    pub(super) reply_to: Option<u32>,
    pub(super) error_name: &'m [u8],
    pub(super) body: Body<'m>,
}

/// The length of the message that begins with `fixed`.
pub(super) fn message_length(fixed: &[u8; FIXED_BYTES]) -> Result<usize, BusError> {
    let mut reader = Reader { bytes: fixed, at: 4, big_endian: is_big_endian(fixed[0])? };
    let body = reader.number()? as usize;
    reader.take(4)?; // the serial number
    let fields = reader.number()? as usize;
    let length = (FIXED_BYTES + fields).next_multiple_of(8) + body;
    if length > MOST_BYTES {
        return Err(BusError::Malformed("a message is longer than 16 MiB"));
    }
    Ok(length)
}

fn is_big_endian(mark: u8) -> Result<bool, BusError> {
    match mark {
        b'l' => Ok(false),
        b'B' => Ok(true),
        _ => Err(BusError::Malformed("a message has no byte order")),
    }
}

impl<'m> Message<'m> {
    /// Reads a message of the length that [`message_length`] gives.
    pub(super) fn read(bytes: &'m [u8]) -> Result<Self, BusError> {
        let (&mark, &kind) = bytes.first().zip(bytes.get(1)).ok_or(TOO_SHORT)?;
        let mut reader = Reader { bytes, at: 12, big_endian: is_big_endian(mark)? };
        let fields_end = FIXED_BYTES + reader.number()? as usize;
        let (mut reply_to, mut error_name, mut signature) = (None, &b""[..], &b""[..]);
        while reader.at < fields_end {
            reader.align(8)?;
            match (reader.byte()?, reader.variant()?) {
                (4, Value::Text(name)) => error_name = name,
                (5, Value::Number(number)) => reply_to = u32::try_from(number).ok(),
                (8, Value::Text(types)) => signature = types,
                _ => {}
            }
        }
        reader.align(8)?;
        let body = bytes.get(reader.at..).ok_or(TOO_SHORT)?;
        Ok(Self {
            kind,
            reply_to,
            error_name,
            body: Body { bytes: body, signature, big_endian: reader.big_endian },
        })
    }
}

/// What a message carries.
#[derive(Clone, Copy, Debug)]
pub struct Body<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) signature: &'m [u8],
    pub(super) big_endian: bool,
}

impl<'m> Body<'m> {
    fn reader(&self) -> Reader<'m> {
        Reader { bytes: self.bytes, at: 0, big_endian: self.big_endian }
    }

    /// The answer to [`Call::property`].
    ///
    /// # Errors
    /// [`BusError::Malformed`], also for a property that is not of a basic type.
    pub fn property(&self) -> Result<Value<'m>, BusError> {
        match self.signature {
            b"v" => self.reader().variant(),
            _ => Err(BusError::Malformed("a property is not in a variant")),
        }
    }

    /// The string that the body is or begins with.
    pub fn text(&self) -> Option<&'m [u8]> {
        self.signature.starts_with(b"s").then(|| self.reader().text().ok()).flatten()
    }

    /// An array of structs, each of the basic types `types`. An error is the last that comes.
    ///
    /// # Errors
    /// [`BusError::Malformed`], also when the body is anything else.
    pub fn rows<const N: usize>(
        &self,
        types: &'static [u8; N],
    ) -> Result<impl Iterator<Item = Result<[Value<'m>; N], BusError>> + use<'m, N>, BusError> {
        let inner = self.signature.strip_prefix(b"a(").and_then(|rest| rest.strip_suffix(b")"));
        if inner != Some(types) {
            return Err(BusError::Malformed("an answer is not of the documented type"));
        }
        let mut reader = self.reader();
        let length = reader.number()? as usize;
        reader.align(8)?;
        reader.bytes = reader.bytes.get(..reader.at + length).ok_or(TOO_SHORT)?;
        let mut failed = false;
        Ok(std::iter::from_fn(move || {
            if failed || reader.at == reader.bytes.len() {
                return None;
            }
            let row = reader.row(types);
            failed = row.is_err();
            Some(row)
        }))
    }
}

/// Reads values one after another. Offsets count from the start of the message or of its body, which is aligned for
/// every type.
#[derive(Debug)]
struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    big_endian: bool,
}

impl<'m> Reader<'m> {
    fn take(&mut self, count: usize) -> Result<&'m [u8], BusError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or(TOO_SHORT)?;
        self.at += count;
        Ok(taken)
    }

    fn align(&mut self, to: usize) -> Result<(), BusError> {
        self.take(self.at.next_multiple_of(to) - self.at).map(drop)
    }

    fn byte(&mut self) -> Result<u8, BusError> {
        self.take(1)?.first().copied().ok_or(TOO_SHORT)
    }

    /// An unsigned number of `width` bytes.
    fn unsigned(&mut self, width: usize) -> Result<u64, BusError> {
        self.align(width)?;
        let bytes = self.take(width)?.iter();
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Ok(if self.big_endian { bytes.fold(0, shift) } else { bytes.rev().fold(0, shift) })
    }

    fn number(&mut self) -> Result<u32, BusError> {
        self.unsigned(4).map(|number| number as u32)
    }

    fn text(&mut self) -> Result<&'m [u8], BusError> {
        let length = self.number()? as usize;
        let text = self.take(length)?;
        self.take(1)?; // NUL
        Ok(text)
    }

    fn signature(&mut self) -> Result<&'m [u8], BusError> {
        let length = usize::from(self.byte()?);
        let types = self.take(length)?;
        self.take(1)?; // NUL
        Ok(types)
    }

    fn value(&mut self, kind: u8) -> Result<Value<'m>, BusError> {
        match kind {
            b's' | b'o' => self.text().map(Value::Text),
            b'g' => self.signature().map(Value::Text),
            b'y' => self.unsigned(1).map(Value::Number),
            b'q' => self.unsigned(2).map(Value::Number),
            b'u' | b'h' => self.unsigned(4).map(Value::Number),
            b't' => self.unsigned(8).map(Value::Number),
            b'b' => match self.number()? {
                0 => Ok(Value::Bool(false)),
                1 => Ok(Value::Bool(true)),
                _ => Err(BusError::Malformed("a boolean is neither true nor false")),
            },
            _ => Err(BusError::Malformed("a value is not of a type that is read here")),
        }
    }

    fn variant(&mut self) -> Result<Value<'m>, BusError> {
        match self.signature()? {
            &[kind] => self.value(kind),
            _ => Err(BusError::Malformed("a value is not of a type that is read here")),
        }
    }

    fn row<const N: usize>(&mut self, types: &[u8; N]) -> Result<[Value<'m>; N], BusError> {
        self.align(8)?;
        let mut row = [Value::Bool(false); N];
        for (value, &kind) in row.iter_mut().zip(types) {
            *value = self.value(kind)?;
        }
        Ok(row)
    }
}
